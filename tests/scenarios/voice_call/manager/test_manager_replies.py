"""What the assistant answers: owed from the utterance on, spoken at most once, never lost without a word."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.store import Store, StoreUnavailable

World = Any


class Talker:
    """An assistant that says "re: …" after `after_s`, or what `script` holds: a text, None, or an error."""

    def __init__(self, *, after_s: float = 0.0) -> None:
        self.after_s = after_s
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.script: list[str | Exception | None] = []
        self.calls: list[dict[str, Any]] = []

    async def reply(self, call: dict[str, Any], text: str) -> str | None:
        self.asked.append(text)
        self.calls.append(call)
        try:
            await asyncio.sleep(self.after_s)
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise
        answer = self.script.pop(0) if self.script else f"re: {text}"
        if isinstance(answer, Exception):
            raise answer
        return answer


class Phone:
    """A call with a stream over which somebody speaks."""

    def __init__(self, world: World, manager: CallManager, provider_id: str) -> None:
        self.world = world
        self.manager = manager
        self.provider_id = provider_id
        self.heard: list[str] = []
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self) -> None:
        event = self.world.event("active", self.provider_id, wantsStream=True)
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps({"event": event}).encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/voice/webhook", "headers": []}
        await self.manager.app(scope, receive, send)
        token = json.loads(sent[1]["body"])["streams"][0]["token"]
        self._in.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": "/voice/stream", "headers": []}
        self.task = asyncio.get_running_loop().create_task(self.manager.app(scope, self._in.get, self._told))
        await self.frame(event="start", callId=self.provider_id, token=token)

    async def _told(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            self.heard.append(json.loads(message["text"])["id"])

    async def frame(self, **frame: Any) -> None:
        self._in.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})
        await asyncio.sleep(0.01)

    async def say(self, frame_id: str, text: str, **fields: Any) -> None:
        await self.frame(event="transcript", id=frame_id, text=text, **fields)

    @property
    def status(self) -> dict[str, Any]:
        found = self.manager.status(self.provider_id)
        assert found is not None
        return found

    @property
    def phase(self) -> str:
        return str(self.status["reply"]["phase"])

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(line["speaker"], line["text"]) for line in self.status["transcript"]]

    @property
    def played(self) -> list[str]:
        return [sent[2] for sent in self.world.provider.sent if sent[0] == "play"]


async def phone(world: World, assistant: Talker | None, **settings: Any) -> Phone:
    """An answered inbound call, its stream open."""
    manager = await started(world, assistant, **settings)
    await world.incoming(manager)
    line = Phone(world, manager, "pc-1")
    await line.open()
    return line


async def started(world: World, assistant: Talker | None, **settings: Any) -> CallManager:
    manager: CallManager = world.manager(streaming=True, **settings)
    manager.replies.assistant = assistant
    await manager.start()
    return manager


async def restarted(world: World, line: Phone, assistant: Talker | None) -> Phone:
    """The process dies and comes back; the provider opens another stream."""
    world.kill(line.manager)
    again = Phone(world, await started(world, assistant), line.provider_id)
    await again.open()
    return again


def refusing(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> Callable[[], None]:
    """The disk refuses records of these kinds until the returned function is called."""
    write = Store.append

    def picky(self: Store, before: Any, after: Any, kind: str) -> None:
        if kind in kinds:
            raise StoreUnavailable(f"no space for {kind}")
        write(self, before, after, kind)

    monkeypatch.setattr(Store, "append", picky)
    return monkeypatch.undo


def test_what_is_heard_is_answered_and_written_down(world: World) -> None:
    async def story() -> None:
        talker = Talker()
        line = await phone(world, talker)
        await line.say("f1", "hello")
        assert line.heard == ["f1"] and line.played == ["re: hello"]
        assert line.said == [("user", "hello"), ("bot", "re: hello")]
        shown = line.status
        assert (line.phase, shown["state"]) == ("done", "listening")
        assert shown["reply"] == {
            "key": f"reply:{shown['callId']}:f1",
            "heard": "hello",
            "phase": "done",
            "text": "re: hello",
        }
        assert talker.calls[0]["transcript"][-1]["text"] == "hello"
        await line.say("f1", "hello")  # repeated by the provider
        await line.say("f2", "again")
        assert line.played == ["re: hello", "re: again"]

    world.run(story())


def test_utterance_and_what_is_owed_for_it_are_one_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        line = await phone(world, Talker(after_s=1))
        written: list[tuple[str, str | None]] = []
        write = Store.append

        def watched(self: Store, before: Any, after: Any, kind: str) -> None:
            written.append((kind, after.reply and after.reply.phase))
            write(self, before, after, kind)

        monkeypatch.setattr(Store, "append", watched)
        await line.say("f1", "hello")
        await asyncio.sleep(1.1)
        assert written == [("call.speech", "thinking"), ("reply-speaking", "speaking"), ("reply-done", "done")]

    world.run(story())


@pytest.mark.parametrize(("mode", "answered"), [("conversation", True), ("notify", False)])
def test_calls_of_ours_are_answered_in_conversations_only(world: World, mode: str, answered: bool) -> None:
    async def story() -> None:
        talker = Talker()
        manager = await started(world, talker)
        await manager.initiate("+15552222222", mode=mode)
        line = Phone(world, manager, "p-1")
        assert await world.post(manager, world.event("answered", "p-1", direction="outbound")) == 200
        await line.open()
        await line.say("f1", "hello")
        assert line.heard == ["f1"]
        assert line.played == (["re: hello"] if answered else [])

    world.run(story())


def test_nobody_answers_without_an_assistant(world: World) -> None:
    async def story() -> None:
        line = await phone(world, None)
        await line.say("f1", "hello")
        assert line.heard == ["f1"] and line.played == [] and line.status["reply"] is None

    world.run(story())


def test_open_question_takes_what_is_said_instead(world: World) -> None:
    async def story() -> None:
        talker = Talker()
        line = await phone(world, talker)
        asking = asyncio.create_task(line.manager.continue_call("pc-1", "your name?"))
        await asyncio.sleep(0.1)
        await line.say("f1", "of an older turn", turnToken="old")
        await line.say("f2", "Ada", turnToken=line.status["turn"]["token"])
        assert (await asking).text == "Ada"
        assert talker.asked == [] and line.played == ["your name?"]
        await line.say("f3", "and now?")
        assert line.played == ["your name?", "re: and now?"]

    world.run(story())


def test_question_asked_meanwhile_silences_the_answer(world: World) -> None:
    async def story() -> None:
        line = await phone(world, Talker(after_s=1))
        await line.say("f1", "hello")
        asking = asyncio.create_task(line.manager.continue_call("pc-1", "your name?"))
        await asyncio.sleep(1.5)
        assert line.played == ["your name?"] and line.phase == "interrupted"
        await line.say("f2", "Ada", turnToken=line.status["turn"]["token"])
        await asking

    world.run(story())


def test_newer_utterance_takes_the_place_of_an_answer_that_is_thought_of(world: World) -> None:
    async def story() -> None:
        talker = Talker(after_s=5)
        line = await phone(world, talker)
        await line.say("f1", "one")
        await asyncio.sleep(1)
        await line.say("f2", "two")
        await asyncio.sleep(5.1)
        assert (talker.asked, talker.cancelled, line.played) == (["one", "two"], ["one"], ["re: two"])
        assert "reply-interrupted" in world.log.names()

    world.run(story())


def test_utterance_during_the_audio_is_answered_after_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        line = await phone(world, Talker())
        play = world.provider.play

        async def slow(*args: Any, **kwargs: Any) -> None:
            await asyncio.sleep(2)
            await play(*args, **kwargs)

        monkeypatch.setattr(world.provider, "play", slow)
        await line.say("f1", "one")
        await line.say("f2", "two")
        await asyncio.sleep(5)
        assert line.played == ["re: one", "re: two"]
        assert line.said == [("user", "one"), ("user", "two"), ("bot", "re: one"), ("bot", "re: two")]
        assert line.phase == "done" and line.status["state"] == "listening"

    world.run(story())


@pytest.mark.parametrize(
    ("answer", "phase", "event"),
    [
        (ValueError("no idea"), "failed", "reply-failed"),
        (TimeoutError(), "failed", "reply-failed"),
        (None, "done", None),
        (" ", "done", None),
    ],
)
def test_answer_without_words_ends_in_a_phase(world: World, answer: Any, phase: str, event: str | None) -> None:
    async def story() -> None:
        talker = Talker()
        talker.script = [answer]
        line = await phone(world, talker)
        await line.say("f1", "hello")
        assert (line.phase, line.played) == (phase, [])
        assert event is None or event in world.log.names()
        assert ("reply") not in {timer["kind"] for timer in line.manager.view()["timers"]}

    world.run(story())


def test_slow_assistant_is_given_up(world: World) -> None:
    async def story() -> None:
        talker = Talker(after_s=60)
        line = await phone(world, talker, media_inactivity_ms=100_000)
        await line.say("f1", "hello")
        await asyncio.sleep(29.9)
        assert line.phase == "thinking"
        await asyncio.sleep(0.2)
        assert (line.phase, line.played, talker.cancelled) == ("timed-out", [], ["hello"])
        assert "reply-timed-out" in world.log.names()

    world.run(story())


def test_failed_audio_is_told_and_not_repeated(world: World) -> None:
    async def story() -> None:
        line = await phone(world, Talker())
        world.provider.plan["play"] = ["down"]
        await line.say("f1", "hello")
        await asyncio.sleep(10)
        assert (line.phase, world.provider.count("play"), line.status["state"]) == ("failed", 1, "listening")
        assert line.said == [("user", "hello")]

    world.run(story())


def test_end_of_the_call_ends_the_thinking(world: World) -> None:
    async def story() -> None:
        talker = Talker(after_s=5)
        line = await phone(world, talker)
        await line.say("f1", "hello")
        assert await world.post(line.manager, world.event("ended", reason="hangup-user")) == 200
        await asyncio.sleep(0.1)
        assert (line.phase, talker.cancelled) == ("interrupted", ["hello"])
        await asyncio.sleep(10)
        assert line.played == []

    world.run(story())


def test_answer_that_was_thought_of_is_begun_anew_after_a_restart(world: World) -> None:
    async def story() -> None:
        first = Talker(after_s=5)
        line = await phone(world, first)
        await line.say("f1", "hello")
        second = Talker()
        again = await restarted(world, line, second)
        await asyncio.sleep(0.1)
        assert (second.asked, again.played, again.phase) == (["hello"], ["re: hello"], "done")
        assert again.said == [("user", "hello"), ("bot", "re: hello")]

    world.run(story())


def test_answer_that_was_spoken_is_interrupted_by_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        line = await phone(world, Talker())
        play = world.provider.play

        async def endless(*args: Any, **kwargs: Any) -> None:
            await play(*args, **kwargs)
            await asyncio.sleep(9)

        monkeypatch.setattr(world.provider, "play", endless)
        await line.say("f1", "hello")
        assert line.phase == "speaking"
        second = Talker()
        again = await restarted(world, line, second)
        told = [fields.get("why") for name, fields in world.log.told if name == "reply-interrupted"]
        assert told == ["restart"]
        await asyncio.sleep(15)
        assert (again.phase, again.played, second.asked) == ("interrupted", ["re: hello"], [])
        assert again.status["state"] == "listening"

    world.run(story())


def test_stop_leaves_the_answer_owed(world: World) -> None:
    async def story() -> None:
        talker = Talker(after_s=20)
        line = await phone(world, talker)
        await line.say("f1", "hello")
        before = asyncio.get_running_loop().time()
        await line.manager.stop()
        assert asyncio.get_running_loop().time() - before < 1.0
        assert talker.cancelled == ["hello"]
        again = Phone(world, await started(world, Talker()), "pc-1")
        await again.open()
        await asyncio.sleep(0.1)
        assert again.played == ["re: hello"]

    world.run(story())


@pytest.mark.parametrize("kind", ["reply-speaking", "reply-done"])
def test_audio_is_played_once_though_the_store_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def story() -> None:
        line = await phone(world, Talker())
        healed = refusing(monkeypatch, kind)
        await line.say("f1", "hello")
        await asyncio.sleep(2)
        assert world.provider.count("play") == (0 if kind == "reply-speaking" else 1)
        healed()
        await asyncio.sleep(10)
        assert line.played == ["re: hello"]
        assert (line.phase, line.said) == ("done", [("user", "hello"), ("bot", "re: hello")])

    world.run(story())


def test_an_answer_whose_record_failed_and_landed_is_there_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        line = await phone(world, Talker())
        write = Store.append

        def landing(self: Store, before: Any, after: Any, kind: str) -> None:
            write(self, before, after, kind)
            if kind == "reply-done":
                monkeypatch.undo()
                self.poison("nobody knows")
                raise StoreUnavailable("no answer about the record")

        monkeypatch.setattr(Store, "append", landing)
        await line.say("f1", "hello")
        await asyncio.sleep(30)
        assert line.said == [("user", "hello"), ("bot", "re: hello")] and line.phase == "done"
        await line.open()
        await line.say("f2", "bye")
        assert line.said[2:] == [("user", "bye"), ("bot", "re: bye")]

    world.run(story())


def test_an_answer_that_was_heard_is_kept_although_the_call_ended_before_the_disk_took_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        line = await phone(world, Talker())
        mend = refusing(monkeypatch, "reply-done")
        await line.say("f1", "hello")
        assert await world.post(line.manager, world.event("ended", reason="hangup-user")) == 200
        mend()
        await asyncio.sleep(30)
        assert line.said == [("user", "hello"), ("bot", "re: hello")]

    world.run(story())
