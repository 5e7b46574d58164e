"""The second manager, put together: start, serve, stop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.desk import Desk
from scenarios.voice_call.ideal.disk import IdealDisk
from scenarios.voice_call.ideal.errands import Errands
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.ideal.gate import Gate
from scenarios.voice_call.ideal.requests import Outcome, Requests
from scenarios.voice_call.ideal.rounds import Rounds
from scenarios.voice_call.ideal.speech import Speech, Turn
from scenarios.voice_call.ideal.view import owed, show
from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.provider_client import ProviderClient, ProviderUnavailable
from scenarios.voice_call.manager.switchboard import NotReady

ResultT = TypeVar("ResultT")


class IdealManager:
    """A call manager on an ideal disk. `app` is its ASGI application."""

    def __init__(
        self, config: Config, provider: ProviderClient, disk: IdealDisk, *, now: Callable[[], float], log: EventLog
    ) -> None:
        self.config = config
        self.desk = Desk(config, provider, disk, now, log)
        self.errands = Errands(self.desk)
        self.speech = Speech(self.desk)
        self.rounds = Rounds(self.desk, self.errands, self.speech.greet)
        self.requests = Requests(self.desk, self.rounds)
        self.app = Gate(self.desk, self.is_ready, self.start, self.stop)
        self.desk.followers.append(self.rounds.look)
        self._ready = False
        self._stopped = False
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._asked: set[asyncio.Task[Any]] = set()

    # -- life -----------------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Whether events and requests are taken."""
        return self._ready

    async def start(self) -> None:
        """Read, verify with the provider, tidy up, listen. A failed start may be repeated. Raises StoreUnavailable."""
        if self._stopped:
            raise NotReady("this manager was stopped: make another one")
        if self._starting is None or (self._starting.done() and not self._ready):
            self._starting = asyncio.get_running_loop().create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        self.desk.open()
        try:
            self.desk.commit(await self._verified())
            self.desk.commit(self._tidied())
        except BaseException:
            self.desk.close()
            raise
        self._ready = True
        self.rounds.start()
        self.desk.log.info("listening", calls=len(self.desk.book.calls))

    async def _verified(self) -> list[AnyFact]:
        calls = [call.name for call in self.desk.book.calls.values() if call.live]
        told = await asyncio.gather(*(self.errands.verify(name) for name in calls))
        return [fact for news in told for fact in news]

    def _tidied(self) -> list[AnyFact]:
        """What the process before this one had begun, nobody will finish."""
        now = self.desk.now()
        news: list[AnyFact] = []
        for call in self.desk.book.calls.values():
            question = call.question
            if call.mouth is not None:
                self.desk.log.info("speech-was-interrupted", call=call.name)
                news.append(self.speech.over(call, "interrupted"))
            if question is not None and question.open:
                self.desk.log.info("question-was-interrupted", call=call.name)
                news.append(facts.Dropped(call=call.name, at=now, token=question.token, how="interrupted"))
        return news + self.rounds.overdue(now)

    async def stop(self) -> None:
        """Refuse, let what was admitted come to its end for a while, give the disk back. A second stop joins the first."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._ready, self._stopped = False, True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        self.speech.interrupt()
        self.rounds.stop()
        loop = asyncio.get_running_loop()
        until = loop.time() + self.config.drain_ms / 1000
        while self.app.inside and loop.time() < until:
            await asyncio.sleep(0.01)
        work = [*self.rounds.running(), *self._asked]
        late = (await asyncio.wait(work, timeout=max(0.0, until - loop.time())))[1] if work else set()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        self.desk.close()

    # -- requests -------------------------------------------------------------------------------------------------

    async def _admit(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a request to its end, whether or not its client waits for it."""
        if not self._ready:
            work.close()
            raise NotReady("this manager does not listen: start it, or wait until it has")
        task = asyncio.get_running_loop().create_task(work)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # by our stop, not by the client
                raise ProviderUnavailable("the manager was stopped meanwhile: what came of it is not known") from None
            raise

    async def initiate(
        self,
        to: str,
        message: str | None = None,
        mode: str = "notify",
        session_key: str | None = None,
        key: str | None = None,
    ) -> Outcome:
        """Call somebody."""
        return await self._admit(self.requests.initiate(to, message, mode, session_key, key))

    async def speak(self, call_id: str, text: str) -> None:
        """Say something in a call."""
        await self._admit(self.speech.speak(call_id, text))

    async def continue_call(self, call_id: str, prompt: str) -> Turn:
        """Ask something in a call, and wait for the answer."""
        return await self._admit(self.speech.ask(call_id, prompt))

    async def end(self, call_id: str, reason: str = "hangup-bot") -> Outcome:
        """End a call."""
        return await self._admit(self.requests.end(call_id, reason))

    # -- readers --------------------------------------------------------------------------------------------------

    def status(self, call_id: str) -> dict[str, Any] | None:
        """One call by any of its names."""
        call = self.desk.book.find(call_id)
        return None if call is None or call.standing != "call" else show(call, self.desk.client.name)

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest calls, the newest first."""
        calls = [call for call in self.desk.book.calls.values() if call.standing == "call"]
        calls.sort(key=lambda call: call.began)
        return [show(call, self.desk.client.name) for call in reversed(calls[-limit:] if limit > 0 else [])]

    def view(self) -> dict[str, Any]:
        """Everything there is to see."""
        book = self.desk.book
        shown: dict[str, list[dict[str, Any]]] = {"call": [], "away": [], "missed": []}
        for call in book.calls.values():
            shown[call.standing].append(show(call, self.desk.client.name))
        return {
            "ready": self._ready,
            "poisoned": None,
            "generation": self.desk.began_with,  # grows with what its predecessors have written
            "quarantined": {},
            "calls": shown["call"],
            "rejected": shown["away"],
            "tombstones": shown["missed"],
            "active": [call.name for call in book.live()],
            "capacity": {"used": len(book.occupying()), "limit": self.config.max_concurrent_calls},
            "timers": [{"callId": name, "kind": kind, "due": due} for name, kind, due in self.rounds.timers()],
            "obligations": [
                {
                    "callId": call.name,
                    "kind": kind,
                    "since": call.left_at or call.ended or call.began,
                    "attempts": self.rounds.failures(call.name, kind),
                }
                for call in book.calls.values()
                if (kind := owed(call)) is not None
            ],
        }
