"""`kill -9` under load, over and over: a provider outside the process delivers events until they are accepted.

Several calls go on at once; their events come twice, in disorder and in batches over HTTP, and what is said on some of
them comes over WebSockets, each opened with a token of its own. The manager dies at random moments,
while it starts too, and is started again on the same store. After each start, before anything else is said to it, it is
judged from outside: what was acknowledged is there once, nothing is there twice, no call whose end was acknowledged is
live. A failure tells the seed and the folder of the store; moments are drawn from the seed, but a machine has its own
pace, so the folder is the evidence.
"""

import asyncio
import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

ROOT = Path(__file__).parents[4]
CALLERS = 5
STREAMING_CALLERS = 2
PROGRAM = ["-m", "scenarios.voice_call.manager"]
FORGETFUL = """
import sys
from scenarios.voice_call.manager import __main__, store

class Late(store.Store):
    waiting = b""
    def append_line(self, line):
        self.waiting += line
        if self.waiting.count(b"\\n") == 3:
            super().append_line(self.waiting)
            self.waiting = b""

__main__.CallManager.__init__.__kwdefaults__["parts"] = sys.modules[__main__.CallManager.__module__].Parts(store=Late)
sys.exit(__main__.main())
"""
GONE = (httpx.TransportError, WebSocketException, OSError, TimeoutError)
"""What it looks like from outside when the manager dies."""
PATIENCE_S = 60.0
"""How long a start or a settling may take on a slow machine before it counts as hung."""


class Call:
    """One call at the provider: what happened, in order, and what of it was acknowledged."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self.provider_id = f"line-{number}"
        kinds = ["ringing", "answered", *chance.choices(["speech", "speech", "dtmf"], k=chance.randint(2, 6)), "ended"]
        self.events = [self._event(kind, place) for place, kind in enumerate(kinds)]
        self.waiting = list(self.events)
        self.acknowledged: list[dict[str, Any]] = []

    def _event(self, kind: str, place: int) -> dict[str, Any]:
        event = {
            "id": f"{self.provider_id}/{place}",
            "type": f"call.{kind}",
            "providerCallId": self.provider_id,
            "timestamp": int(time.time() * 1000),
            "direction": "inbound",
            "from": "+15551112222",
        }
        details = {
            "speech": {"transcript": f"{self.provider_id} says {place}", "isFinal": True},
            "dtmf": {"digits": str(place)},
            "ended": {"reason": "hangup-user"},
        }
        return event | details.get(kind, {})

    def next_events(self, chance: random.Random) -> list[dict[str, Any]]:
        """What to send now: mostly the next event, sometimes a later one, two at once, or one once more."""
        if self.acknowledged and chance.random() < 0.15:
            return [chance.choice(self.acknowledged)]
        if not self.acknowledged:
            return self.waiting[:1]  # a call begins with its beginning
        first = chance.choice(self.waiting[:3])
        both = chance.random() < 0.2 and len(self.waiting) > 1
        return [first, chance.choice([event for event in self.waiting if event is not first])] if both else [first]

    def owed(self, settled: bool) -> list[dict[str, Any]]:
        """What must be found."""
        return self.events if settled else self.acknowledged

    def take(self, sent: list[dict[str, Any]]) -> None:
        """These were acknowledged."""
        for event in sent:
            if event in self.waiting:
                self.waiting.remove(event)
                self.acknowledged.append(event)


class StreamingCall(Call):
    """A call whose speech comes over media streams; what was not heard before the stream was given up is not owed."""

    def event(self, kind: str) -> dict[str, Any] | None:
        """The event of this kind that still waits."""
        return next((event for event in self.waiting if event["type"] == f"call.{kind}"), None)

    def _event(self, kind: str, place: int) -> dict[str, Any]:
        event = super()._event("speech" if kind == "dtmf" else kind, place)
        return event | ({"id": f"stream:{event['id']}"} if "transcript" in event else {})

    def wish(self) -> dict[str, Any]:
        """One more event: it asks for a stream."""
        wish = self._event("active", len(self.events)) | {"wantsStream": True}
        self.events.append(wish)
        self.waiting.append(wish)
        return wish

    def give_up(self) -> None:
        """The manager has ended the call: nobody listens any more."""
        self.waiting = [event for event in self.waiting if event["type"] == "call.ended"]

    def owed(self, settled: bool) -> list[dict[str, Any]]:
        return self.acknowledged


AnyCall = TypeVar("AnyCall", bound=Call)


class Outside:
    """The provider, and the one who starts and kills the manager."""

    def __init__(self, seed: int, folder: Path, program: list[str]) -> None:
        self.seed = seed
        self.program = program
        self.store = folder / "store"
        self.said = folder / "manager.log"
        self.chance = random.Random(seed)
        self.calls: list[Call] = []
        self.busy: list[Call] = []
        self.deaths = self.stops = self.requests = self.heard = 0
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    # --- the process ---------------------------------------------------------------------------------------------

    def spawn(self) -> None:
        command = [sys.executable, *self.program, "--store", str(self.store)]
        command += ["--port", str(self.port), "--inbound", "open", "--compact-after", "50", "--streaming"]
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=said)

    async def listening(self, client: httpx.AsyncClient) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            assert self.process is not None and self.process.poll() is None, self.evidence("the manager does not start")
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/voice/calls/nobody")).status_code == 404:
                    return
            assert time.monotonic() < until, self.evidence("the manager does not listen")
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL, self.evidence("the manager died by itself")
        self.process = None
        self.deaths += 1

    async def end(self) -> None:
        """Mostly a death; sometimes an orderly stop in the middle of everything."""
        if self.chance.random() > 0.1:
            self.kill()
            return
        assert self.process is not None
        self.process.terminate()
        status = await asyncio.to_thread(self.process.wait, PATIENCE_S)
        assert status == 0, self.evidence(f"a stop under load ended with {status}")
        self.process = None
        self.stops += 1

    def evidence(self, what: str) -> str:
        return f"{what} (seed {self.seed}, death {self.deaths}, store {self.store}, log {self.said})"

    # --- the calls -----------------------------------------------------------------------------------------------

    async def caller(self, client: httpx.AsyncClient, *, go_on: bool) -> None:
        """Deliver one call after the other, while there is a manager; without `go_on` only what is still waiting."""
        mine: Call | None = None
        while True:
            if mine is None or not mine.waiting:
                mine = self.take_up(Call, go_on=go_on)
            if mine is None:
                return
            if not await self.deliver(client, mine) and self.process is None:
                return

    def take_up(self, kind: type[AnyCall], *, go_on: bool) -> AnyCall | None:
        """A call that somebody was cut off from, else a new one."""
        for call in self.calls:
            if type(call) is kind and call.waiting and call not in self.busy:
                self.busy.append(call)
                return call
        if not go_on:
            return None
        self.calls.append(kind(self.chance, len(self.calls)))
        return self.take_up(kind, go_on=True)

    async def streaming_caller(self, client: httpx.AsyncClient, *, go_on: bool) -> None:
        """The same over media streams."""
        mine: StreamingCall | None = None
        while True:
            if mine is None or not mine.waiting:
                mine = self.take_up(StreamingCall, go_on=go_on)
            if mine is None:
                return
            try:
                await self.talk(client, mine)
            except GONE:
                await asyncio.sleep(0.001)
                if self.process is None:
                    return

    async def talk(self, client: httpx.AsyncClient, call: StreamingCall) -> None:
        """The next steps of a streaming call, until something goes wrong."""
        for kind in ("ringing", "answered"):
            if (event := call.event(kind)) is not None:
                await self.report(client, call, event)
        if call.event("speech") is not None:
            answer = await self.report(client, call, call.event("active") or call.wish())
            if not answer.headers["content-type"].startswith("application/json"):
                call.give_up()
                return
            await self.speak(call, answer.json()["streams"][0]["token"])
            if call.event("speech") is not None:
                return
        for kind in ("active", "ended"):
            if (event := call.event(kind)) is not None:
                await self.report(client, call, event)

    async def report(self, client: httpx.AsyncClient, call: Call, event: dict[str, Any]) -> httpx.Response:
        """Deliver one event. Raises TimeoutError when it was not accepted."""
        self.requests += 1
        answer = await client.post("/voice/webhook", json={"event": event})
        if answer.status_code != 200:
            raise TimeoutError
        call.take([event])
        return answer

    async def speak(self, call: StreamingCall, token: str) -> None:
        """Open a stream and say what was not heard yet, some of it twice; sometimes hang up in the middle."""
        async with connect(f"ws://127.0.0.1:{self.port}/voice/stream") as socket:
            await socket.send(json.dumps({"event": "start", "callId": call.provider_id, "token": token}))
            while (said := call.event("speech")) is not None and self.chance.random() > 0.1:
                frame = {"event": "transcript", "id": said["id"].removeprefix("stream:"), "text": said["transcript"]}
                for _ in range(self.chance.choice([1, 1, 1, 2])):
                    await socket.send(json.dumps(frame))
                    heard = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
                    assert heard == {"event": "heard", "id": frame["id"]}, self.evidence(f"{heard} for {frame}")
                call.take([said])
                self.heard += 1

    async def deliver(self, client: httpx.AsyncClient, call: Call) -> bool:
        events = call.next_events(self.chance)
        self.requests += 1
        try:
            answer = await client.post("/voice/webhook", json={"events": events})
        except httpx.TransportError:
            await asyncio.sleep(0.001)
            return False
        assert answer.status_code in (200, 503), self.evidence(f"{answer.status_code} for {events}")
        if answer.status_code == 200:
            call.take(events)
        return answer.status_code == 200

    def callers(self, client: httpx.AsyncClient, *, go_on: bool) -> list[Coroutine[Any, Any, None]]:
        self.busy = []
        streaming = [self.streaming_caller(client, go_on=go_on) for _ in range(STREAMING_CALLERS)]
        return [*streaming, *(self.caller(client, go_on=go_on) for _ in range(CALLERS))]

    async def load(self, client: httpx.AsyncClient, seconds: float) -> None:
        """Calls go on for a while; then the manager is killed in the middle of them."""
        callers = [asyncio.create_task(caller) for caller in self.callers(client, go_on=True)]
        await asyncio.sleep(seconds)
        await self.end()
        await asyncio.wait_for(asyncio.gather(*callers), PATIENCE_S)

    # --- the judge -----------------------------------------------------------------------------------------------

    async def judge(self, client: httpx.AsyncClient, *, settled: bool = False) -> None:
        """Hold what can be read against what was sent and acknowledged."""
        answer = await client.get("/voice/calls", params={"limit": 1_000_000})
        found = {call["providerCallId"]: call for call in answer.json()["calls"]}
        assert len(found) == len(answer.json()["calls"]), self.evidence("a call is there twice")
        for call in self.calls:
            told = call.owed(settled)
            record = found.get(call.provider_id)
            if record is None:
                assert not told, self.evidence(f"{call.provider_id} is lost")
                continue
            ids = Counter(record["processedEventIds"])
            texts = Counter(line["text"] for line in record["transcript"] if line["speaker"] == "user")
            assert ids.keys() <= {event["id"] for event in call.events}, self.evidence(f"unknown events in {record}")
            assert max([*ids.values(), *texts.values()]) == 1, self.evidence(f"something is doubled in {record}")
            for event in told:
                assert event["id"] in ids, self.evidence(f"{event} was acknowledged and is lost")
                assert event.get("transcript", "") in {"", *texts}, self.evidence(f"{event} has no effect")
            over = any(event["type"] == "call.ended" for event in told)
            assert not (over and record["live"]), self.evidence(f"{call.provider_id} ended and is live")
        assert found.keys() <= {call.provider_id for call in self.calls}, self.evidence("there are unknown calls")

    # --- the whole -----------------------------------------------------------------------------------------------

    async def run(self, deaths: int) -> None:
        while self.deaths < deaths:
            self.spawn()
            if self.chance.random() < 0.1:
                await asyncio.sleep(self.chance.uniform(0.1, 0.6))
                self.kill()
                continue
            async with self.client() as client:
                await self.listening(client)
                await self.judge(client)
                await self.load(client, self.chance.uniform(0.01, 0.4))
        self.spawn()
        async with self.client() as client:
            await self.listening(client)
            await self.judge(client)
            await asyncio.wait_for(asyncio.gather(*self.callers(client, go_on=False)), PATIENCE_S)
            await self.judge(client, settled=True)
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self.evidence("the last stop was not clean")

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)


def kill_loop(seed: int, deaths: int, folder: Path, program: list[str] = PROGRAM) -> str:
    outside = Outside(seed, folder, program)
    began = time.monotonic()
    try:
        asyncio.run(outside.run(deaths))
    finally:
        if outside.process is not None and outside.process.poll() is None:
            outside.process.kill()
            outside.process.wait()
    told = [json.loads(line) for line in outside.said.read_bytes().splitlines()]
    failed = [
        line for line in told if line["level"] == "error" or "traceback" in line or "token" in line.get("why", "")
    ]
    assert not failed, outside.evidence(f"the manager told of failures: {failed[:3]}")
    counted = Counter(line["event"] for line in told)
    acknowledged = sum(len(call.acknowledged) for call in outside.calls)
    seconds = time.monotonic() - began
    return (
        f"{outside.deaths} deaths and {outside.stops} stops in {seconds:.0f} s: {acknowledged} events of "
        f"{len(outside.calls)} calls acknowledged in {outside.requests} requests and {outside.heard} frames; "
        f"{counted['duplicate-absorbed']} duplicates absorbed, {counted['compaction-done']} compactions"
    )


def test_nothing_is_lost_doubled_or_stale_after_five_deaths(tmp_path: Path) -> None:
    kill_loop(seed=7, deaths=5, folder=tmp_path)


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_stale_after_two_hundred_deaths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = kill_loop(seed=11, deaths=200, folder=tmp_path)
    with capsys.disabled():
        print(f"\n{told}")


@pytest.mark.slow
def test_manager_that_acknowledges_before_it_writes_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="lost"):
        kill_loop(seed=7, deaths=20, folder=tmp_path, program=["-c", FORGETFUL])
