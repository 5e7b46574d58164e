"""The call manager, put together: start, serve, stop (catalogue 8.10).

It wires the parts and owns their life, nothing else. Every part is a class in `Parts`, so that one of them
can be replaced.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.core import CallBook
from scenarios.voice_call.manager.due_work import DueWork
from scenarios.voice_call.manager.events import EventRules
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.manager_view import ManagerView
from scenarios.voice_call.manager.media_stream import MediaStreams
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.outbound import EndResult, InitiateResult, Outbound
from scenarios.voice_call.manager.provider_client import ProviderClient, ProviderUnavailable
from scenarios.voice_call.manager.provider_line import ProviderLine
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.replies import Assistant, Replies
from scenarios.voice_call.manager.restore import Restore
from scenarios.voice_call.manager.session_bridge import SessionBridge
from scenarios.voice_call.manager.session_store import SessionStore
from scenarios.voice_call.manager.speaking import Speaking, TurnResult
from scenarios.voice_call.manager.store import Store
from scenarios.voice_call.manager.switchboard import NotReady, Switchboard
from scenarios.voice_call.manager.timers import Timers
from scenarios.voice_call.manager.web import WebFace, no_stream
from scenarios.voice_call.manager.webhook import Webhook


def random_id() -> str:
    """A new id."""
    return str(uuid.uuid4())


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The classes the manager is made of."""

    store: type[Store] = Store
    book: type[CallBook] = CallBook
    journal: type[Journal] = Journal
    rules: type[EventRules] = EventRules
    line: type[ProviderLine] = ProviderLine
    obligations: type[Obligations] = Obligations
    outbound: type[Outbound] = Outbound
    speaking: type[Speaking] = Speaking
    due: type[DueWork] = DueWork
    timers: type[Timers] = Timers
    restore: type[Restore] = Restore
    sessions: type[SessionStore] = SessionStore
    bridge: type[SessionBridge] = SessionBridge
    webhook: type[Webhook] = Webhook
    streams: type[MediaStreams] = MediaStreams
    replies: type[Replies] = Replies


class CallManager:
    """One runtime of the call manager, on one store. `app` is its ASGI application."""

    def __init__(
        self,
        config: Config,
        provider: ProviderClient,
        *,
        log: EventLog,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = random_id,
        parts: Parts | None = None,
        assistant: Assistant | None = None,
    ) -> None:
        self.config = config
        self.log = log
        parts = parts or Parts()
        store = parts.store(config.store_dir, log=log, compact_after_lines=config.compact_after_lines)
        self.book = parts.book()
        self.journal = parts.journal(config, store, self.book, now, log=log)
        self.desk = Switchboard(config, self.journal, parts.line(config, provider), new_id, log)
        self.obligations = parts.obligations(self.desk)
        self.outbound = parts.outbound(self.desk, self.obligations)
        self.speaking = parts.speaking(self.desk)
        self.restore = parts.restore(self.desk, self.obligations, self.speaking)
        self.bridge = parts.bridge(self.desk, parts.sessions(config.store_dir, log=log))
        rules = parts.rules(config, self.book, provider.name, new_id, log=log)
        self.webhook = parts.webhook(config, provider, rules, self.journal, self.is_ready, log=log)
        self.replies = parts.replies(self.desk, assistant, self.speaking.unwritten)
        self.streams = parts.streams(self.desk, rules, self.replies, self.is_ready)
        self.due = parts.due(self.desk, self.obligations, self.speaking, self.bridge, self.replies, self.streams)
        self.timers = parts.timers(
            config,
            self.journal.now,
            self.due.on_timer,
            self.obligations.is_dialing,
            self.book.get,
            log=log,
            besides=self.due.besides,
        )
        self._view = ManagerView(self.desk, self.timers, self.bridge, self.is_ready)
        sockets = self.streams if config.streaming else no_stream
        self.app = WebFace(self.webhook, sockets, start=self.start, stop=self.stop)
        self.journal.follow = self.follow
        self._ready = False
        self._stopped = False
        self._calls_in_flight: dict[asyncio.Task[Any], None] = {}
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Whether events are taken: after the restore, until the stop."""
        return self._ready

    async def start(self) -> None:
        """Load, repair, verify, arm, then listen.

        Idempotent; a start that failed left nothing behind and may be repeated.
        """
        if self._stopped:
            raise NotReady("this manager was stopped; make a new one")
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except BaseException:
            if starting.done() and self._starting is starting:
                self._starting = None
            raise

    async def _start(self) -> None:
        try:
            loaded = self.journal.open()
            self.bridge.open()
            await self.restore.run(loaded)
            self.bridge.catch_up()
            self.timers.start()
            for record in self.book.all():
                self.timers.rearm(record)
        except BaseException:
            self.timers.stop()
            self.bridge.close()
            self.journal.close()
            raise
        self._ready = True
        self.log.info("ready", calls=len(self.book.in_use()), generation=self.journal.store.generation)

    async def stop(self) -> None:
        """Refuse, drain with a bound, cancel, release. A second stop joins the first."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._ready = False
        self._stopped = True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        self.speaking.interrupt_all()
        self.replies.stop()
        self.streams.stop()
        self.timers.stop()
        await self.drain()
        self.bridge.catch_up()
        self.bridge.close()
        self.journal.close()
        self.log.info("stopped")

    async def drain(self) -> None:
        """Let admitted work end, for a while; then cancel it: what it owes is on the disk."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.config.drain_ms / 1000
        while (self.webhook.in_flight or self.streams.in_flight) and loop.time() < until:
            await asyncio.sleep(0.01)
        work = [*self.timers.running(), *self._calls_in_flight]
        if not work:
            return
        _, late = await asyncio.wait(work, timeout=max(0.0, until - loop.time()))
        if late:
            self.log.warning("drain-cut-short", tasks=len(late))
            for task in work:  # in the order in which they came: a set has none
                task.cancel()
            await asyncio.wait(late)

    def follow(self, record: CallRecord) -> None:
        """A record was published: let timers and waiters know."""
        self.timers.rearm(record)
        self.speaking.follow(record)
        self.replies.follow(record)
        self.streams.follow(record)

    # --- what callers may ask ------------------------------------------------------------------------------------

    async def _admitted(self, work: Any) -> Any:
        """Run a caller's request as work that a stop waits for, for a while: then its outcome is unknown."""
        if not self._ready:
            work.close()
            raise NotReady("the manager is not ready: start it first, or wait until it has restored its calls")
        task = asyncio.get_running_loop().create_task(work)
        self._calls_in_flight[task] = None
        task.add_done_callback(lambda done: self._calls_in_flight.pop(done, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # it is the caller who goes away
            why = "the manager was stopped before this was done; ask the next one what became of it"
            raise ProviderUnavailable(why) from None

    async def initiate(
        self,
        to: str,
        message: str | None = None,
        mode: str = "notify",
        session_key: str | None = None,
        key: str | None = None,
    ) -> InitiateResult:
        """Call somebody.

        The same `key` is the same call. Raises StoreUnavailable (nobody was dialled) or NotReady.
        """
        result: InitiateResult = await self._admitted(self.outbound.initiate(to, message, mode, session_key, key))
        return result

    async def speak(self, call_id: str, text: str) -> None:
        """Say something on a call. Raises the errors of `switchboard.py`, Provider* and StoreUnavailable."""
        await self._admitted(self.speaking.speak(call_id, text))

    async def continue_call(self, call_id: str, prompt: str) -> TurnResult:
        """Ask something and wait for the answer."""
        result: TurnResult = await self._admitted(self.speaking.continue_call(call_id, prompt))
        return result

    async def end(self, call_id: str, reason: str = "hangup-bot") -> EndResult:
        """End a call; ending an ended call is success."""
        result: EndResult = await self._admitted(self.outbound.end(call_id, reason))
        return result

    async def reset_session(self, key: str) -> None:
        """Begin a session anew: what was said so far is over. Raises StoreUnavailable or NotReady."""
        await self._admitted(self.bridge.reset(key))

    def session(self, key: str) -> dict[str, Any] | None:
        """What was said under a session key since its last reset, a copy; None when nobody knows it."""
        return self.bridge.session(key)

    def status(self, call_id: str) -> dict[str, Any] | None:
        """One call by internal or provider id, ended ones too; None when nobody knows it."""
        return self._view.call(call_id)

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest `limit` calls, newest first."""
        return self._view.newest(limit)

    def view(self) -> dict[str, Any]:
        """Everything an observer may want to see, JSON-able, all copies."""
        return self._view.whole()
