"""A provider, a clock and a log of events, small enough to see through."""

import asyncio
import itertools
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from scenarios.voice_call.manager.call_manager import CallManager, Parts
from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.plain_frames import plain_answer, plain_heard, read_plain_frame
from scenarios.voice_call.manager.provider_client import (
    CallStatus,
    DialResult,
    ProviderRefused,
    ProviderRequest,
    ProviderUnavailable,
    StatusAnswer,
    StreamFrame,
    StreamGrant,
    WebAnswer,
)

T = TypeVar("T")
START = 1_700_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.instant = 0.0
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.instant

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]  # of BaseEventLoop
        if not self._ready:  # type: ignore[attr-defined]  # of BaseEventLoop
            instants = [handle._when for handle in scheduled if not handle._cancelled]
            self.instant = max(self.instant, min(instants, default=self.instant))
        super()._run_once()  # type: ignore[misc]  # of BaseEventLoop


class Lines:
    """The events the manager told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: object) -> None:
        self.told.append((event, fields))

    warning = error = info

    def names(self) -> list[str]:
        return [name for name, _ in self.told]


class Provider:
    """Keeps calls in a dict. `down` makes requests fail; `plan` scripts the next outcomes of one request."""

    name = "mock"

    def __init__(self) -> None:
        self.calls: dict[str, StatusAnswer] = {}
        self.keys: dict[str, str] = {}
        self.sent: list[tuple[str, ...]] = []
        self.down = False
        self.plan: dict[str, list[str]] = {}
        self.genuine = True
        self.before_answer: Callable[[str], Awaitable[None]] | None = None

    def count(self, what: str) -> int:
        return sum(1 for sent in self.sent if sent[0] == what)

    async def _request(self, what: str, *details: str) -> str:
        self.sent.append((what, *details))
        await asyncio.sleep(0)
        outcome = (self.plan.get(what) or ["ok"]).pop(0)
        if outcome == "lost":
            return "lost"
        if self.down or outcome == "down":
            raise ProviderUnavailable("no answer")
        if outcome == "refuse":
            raise ProviderRefused("no")
        return "ok"

    def verify(self, request: ProviderRequest) -> bool:
        return self.genuine

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        body = json.loads(request.body)
        if not isinstance(body, dict):
            raise ValueError("not an object")
        return list(body["events"]) if "events" in body else [body["event"]]

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        return True

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        return plain_answer(grants)

    def read_frame(self, raw: str) -> StreamFrame:
        return read_plain_frame(raw)

    def heard(self, frame_id: str) -> str:
        return plain_heard(frame_id)

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        outcome = await self._request("dial", key, to)
        if key not in self.keys:
            self.keys[key] = f"p-{len(self.keys) + 1}"
            self.calls[self.keys[key]] = StatusAnswer(CallStatus.IN_PROGRESS)
        if self.before_answer is not None:
            await self.before_answer(self.keys[key])
        if outcome == "lost":
            raise ProviderUnavailable("the answer was lost")
        return DialResult(self.keys[key])

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        await self._request("hang_up", provider_call_id, key)
        known = self.calls.get(provider_call_id)
        if known is None or known.status is CallStatus.ENDED:
            return False
        self.calls[provider_call_id] = StatusAnswer(CallStatus.ENDED, "hangup-bot")
        return True

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        await self._request("play", provider_call_id, text)

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        await self._request("listen", provider_call_id, turn_token)

    async def stop_listening(self, provider_call_id: str) -> None:
        await self._request("stop_listening", provider_call_id)

    async def status(self, provider_call_id: str) -> StatusAnswer:
        await self._request("status", provider_call_id)
        return self.calls.get(provider_call_id, StatusAnswer(CallStatus.NOT_FOUND))

    async def find_by_key(self, key: str) -> str | None:
        await self._request("find_by_key", key)
        return self.keys.get(key)


class World:
    """One store directory, one provider, one clock; managers come and go."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.loop = VirtualLoop()
        self.provider = Provider()
        self.log = Lines()
        self.shift = 0.0
        self.in_progress = StatusAnswer(CallStatus.IN_PROGRESS)
        self._ids = itertools.count(1)
        self._events = itertools.count(1)
        self._managers: list[CallManager] = []

    def now(self) -> float:
        return START + self.shift + self.loop.time()

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def manager(self, parts: Parts | None = None, **settings: Any) -> CallManager:
        defaults: dict[str, Any] = {"inbound_policy": "open", "inbound_greeting": "", "max_concurrent_calls": 2}
        config = Config(store_dir=self.directory, **(defaults | settings))
        manager = CallManager(
            config,
            self.provider,
            log=self.log,
            now=self.now,
            new_id=lambda: f"id-{next(self._ids)}",
            parts=parts,
        )
        self._managers.append(manager)
        return manager

    async def started(self, parts: Parts | None = None, **settings: Any) -> CallManager:
        manager = self.manager(parts, **settings)
        await manager.start()
        return manager

    def kill(self, manager: CallManager) -> None:
        """The process is gone: no timer, no continuation, no lock; the disk keeps what it has."""
        manager.timers.stop()
        manager.journal.close()
        for task in asyncio.all_tasks(self.loop):
            if task is not asyncio.current_task(self.loop):
                task.cancel()

    def event(self, kind: str, provider_call_id: str = "pc-1", **fields: Any) -> dict[str, Any]:
        base = {
            "id": f"e{next(self._events)}",
            "type": f"call.{kind}",
            "providerCallId": provider_call_id,
            "timestamp": self.now_ms(),
            "direction": "inbound",
            "from": "+15551112222",
            "to": "+15550000000",
        }
        return base | fields

    async def post(self, manager: CallManager, *events: dict[str, Any], **scope: Any) -> int:
        body = json.dumps({"events": list(events)}).encode()
        return await self.request(manager, body, **scope)

    async def request(self, manager: CallManager, body: bytes, **changes: Any) -> int:
        path = changes.pop("path", "/voice/webhook")
        scope = {"type": "http", "method": "POST", "path": path, "headers": []} | changes
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await manager.app(scope, receive, send)
        assert len(sent) == 2
        if sent[0]["status"] == 200:
            assert sent[1]["body"] == b"OK"
        return int(sent[0]["status"])

    async def incoming(self, manager: CallManager, provider_call_id: str = "pc-1", *, answered: bool = True) -> str:
        """An inbound call that rings, and is answered; its internal id."""
        self.provider.calls.setdefault(provider_call_id, StatusAnswer(CallStatus.IN_PROGRESS))
        assert await self.post(manager, self.event("ringing", provider_call_id)) == 200
        if answered:
            assert await self.post(manager, self.event("answered", provider_call_id)) == 200
        status = manager.status(provider_call_id)
        assert status is not None
        return str(status["callId"])

    def run(self, story: Awaitable[T]) -> T:
        async def whole() -> T:
            try:
                return await story
            finally:
                self.provider.down = False
                for manager in self._managers:
                    if manager.is_ready():
                        self.kill(manager)

        try:
            return self.loop.run_until_complete(whole())
        finally:
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


@pytest.fixture
def instant_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync only looks whether the descriptor is open: nobody pulls a plug here, and a disk takes milliseconds for each.

    Not for tests on a simulated disk, which stands in for the real `os.fsync`.
    """

    real_fstat = os.fstat  # a test may let it fail

    def fsync(descriptor: int) -> None:
        real_fstat(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.fixture
def world(tmp_path: Any, instant_syncs: None) -> World:
    return World(str(tmp_path / "state" / "store"))


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def make_world(instant_syncs: None) -> Callable[[str], World]:
    return World
