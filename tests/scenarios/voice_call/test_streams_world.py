"""The provider's media streams against a tiny application: granted, heard, repeated, dropped, silent, broken, foreign."""

import asyncio

import msgspec
import pytest

from scenarios.voice_call.asgi import Socket
from scenarios.voice_call.assistant import Assistant, AssistantFailed
from scenarios.voice_call.manager.plain_frames import plain_heard
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote_media import Media, Mood


class Listener:
    """Grants a stream to each event that wants one (`tokens`), takes it, and says `heard` while `hears` is true."""

    def __init__(self):
        self.hears = True
        self.events = []
        self.frames = []
        self.ends = []
        self.closings = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            await self.stream(receive, send)
            return
        document = msgspec.json.decode((await receive())["body"])
        events = document.get("events") or [document["event"]]
        self.events += events
        streams = [
            {"callId": one["callId"], "eventId": one["id"], "url": "/voice/stream", "token": f"t-{one['id']}"}
            for one in events
            if one.get("wantsStream")
        ]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(
            {"type": "http.response.body", "body": msgspec.json.encode({"streams": streams}) if streams else b"OK"}
        )

    async def stream(self, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            frame = msgspec.json.decode(message["text"])
            self.frames.append(frame)
            if frame["event"] == "start" and not frame["token"].startswith("t-"):
                await send({"type": "websocket.close", "code": 1008})
            if frame["event"] == "transcript" and self.hears:
                await send({"type": "websocket.send", "text": plain_heard(frame["id"])})
            if self.closings:
                await send({"type": "websocket.close", "code": self.closings.pop(0)})
        self.ends.append(message["code"])

    def kinds(self):
        return [frame["event"] for frame in self.frames]


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def world(run, listener):
    made = Provider(media=Media())
    made.attach(run)
    made.connect(listener)
    return made


def connected(world, play):
    call = world.ring(stays=True)
    world.pick_up(call)
    play(world.run_until_quiet(1.0))
    return call


def test_a_granted_stream_is_opened_with_its_token(world, listener, play):
    call = connected(world, play)
    assert listener.frames == [{"event": "start", "callId": call, "token": f"t-{call}-2"}]
    assert world.media.current(call).opened_at is not None


def test_without_media_no_event_asks_for_a_stream_and_speech_goes_over_the_webhook(run, listener, play):
    world = Provider()
    world.attach(run)
    world.connect(listener)
    call = connected(world, play)
    world.say(call, "hello")
    play(world.run_until_quiet(1.0))
    assert listener.frames == []
    assert [event["type"] for event in listener.events] == ["call.ringing", "call.answered", "call.speech"]


def test_what_is_said_goes_over_the_stream_and_counts_as_acknowledged_when_it_was_heard(world, listener, run, play):
    call = connected(world, play)
    world.say(call, "hello")
    assert run.seen("acknowledged")[-1:] != [("acknowledged", f"{call}-3")]
    play(world.run_until_quiet(1.0))
    assert listener.frames[-1] == {"event": "transcript", "id": f"{call}-3", "text": "hello", "isFinal": True}
    assert run.seen("attempted", "acknowledged")[-2:] == [("attempted", f"{call}-3"), ("acknowledged", f"{call}-3")]
    assert world.outer.happenings[f"{call}-3"].owed
    assert len(listener.events) == 2


def test_a_transcript_that_nobody_heard_is_repeated_and_then_given_up(world, listener, run, play):
    call = connected(world, play)
    listener.hears = False
    world.say(call, "hello")
    play(world.run_until_quiet(5.0))
    assert listener.kinds().count("transcript") > 2
    play(world.run_until_quiet(60.0))
    assert listener.kinds().count("transcript") == 5
    assert world.outer.happenings[f"{call}-3"].pending == 0
    assert not world.outer.happenings[f"{call}-3"].acknowledged


def test_a_lost_heard_brings_the_transcript_once_more(world, listener, run, play):
    call = connected(world, play)
    world.lose_answers(1)
    world.say(call, "hello")
    play(world.run_until_quiet(3.0))
    assert listener.kinds().count("transcript") == 2
    assert run.seen("acknowledged")[-1] == ("acknowledged", f"{call}-3")


def test_what_was_not_heard_is_repeated_on_the_next_stream_under_the_same_id(world, listener, play):
    call = connected(world, play)
    listener.hears = False
    world.say(call, "hello")
    play(world.run_until_quiet(0.0))
    listener.closings = [1012]
    play(world.run_until_quiet(2.0))  # the subject closes it at the repetition, and the provider asks again
    listener.hears = True
    play(world.run_until_quiet(3.0))
    assert len(world.media.of(call)) == 2
    transcripts = [frame["id"] for frame in listener.frames if frame["event"] == "transcript"]
    assert set(transcripts) == {f"{call}-3"}
    assert world.outer.happenings[f"{call}-3"].acknowledged


def test_nothing_is_said_where_no_stream_is(world, listener, play):
    call = connected(world, play)
    world.drop_stream(call)
    world.say(call, "hello")
    play(world.run_until_quiet(20.0))
    assert listener.kinds() == ["start", "stop"]
    assert listener.ends == [1000]


def test_a_stream_shows_signs_of_life(world, listener, play):
    connected(world, play)
    play(world.run_until_quiet(65.0))
    assert listener.kinds() == ["start", "media", "media", "media"]


def test_a_silent_stream_lets_nothing_through_and_tells_nobody(world, listener, run, play):
    call = connected(world, play)
    world.silence_stream(call)
    world.say(call, "hello")
    play(world.run_until_quiet(35.0))
    assert listener.kinds() == ["start"]
    assert listener.ends == []
    assert ("acknowledged", f"{call}-3") not in run.seen("acknowledged")


def test_a_newer_stream_comes_before_the_late_end_of_the_older_one(world, listener, play):
    call = connected(world, play)
    world.reconnect(call)
    play(world.run_until_quiet(0.5))
    assert listener.kinds() == ["start", "start"]
    play(world.run_until_quiet(1.0))
    assert listener.kinds() == ["start", "start", "stop"]
    first, second = world.media.of(call)
    assert (first.by, second.closed_at) == ("provider", None)
    assert world.media.current(call) is second


def test_the_end_of_a_call_ends_its_stream_after_it_was_told(world, listener, play):
    call = connected(world, play)
    world.leave(call)
    play(world.run_until_quiet(1.0))
    assert listener.events[-1]["type"] == "call.ended"
    assert listener.kinds() == ["start", "stop"]
    assert world.next_due() is None


def test_a_repeated_answer_opens_no_second_stream(world, listener, play):
    call = connected(world, play)
    world.duplicate(f"{call}-2")
    play(world.run_until_quiet(1.0))
    assert listener.kinds() == ["start"]


def test_an_answer_that_got_lost_opens_nothing_until_it_is_given_again(world, listener, play):
    call = world.ring(stays=True)
    world.pick_up(call)
    world.batch(2)
    world.lose_answers(1)
    play(world.run_until_quiet(1.0))
    assert listener.kinds() == []
    play(world.run_until_quiet(3.0))
    assert listener.kinds() == ["start"]


def test_another_answer_to_the_same_request_is_remembered(world, listener, play):
    call = connected(world, play)
    assert world.outer.answered_otherwise == []
    listener.events = []
    listener.__class__ = Forgetful
    world.duplicate(f"{call}-2")
    play(world.run_until_quiet(1.0))
    assert world.outer.answered_otherwise == [f"{call}-2"]


class Forgetful(Listener):
    async def __call__(self, scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"OK"})


def test_after_a_death_every_stream_is_broken_and_the_provider_asks_to_be_heard_again(world, listener, run, play):
    call = connected(world, play)
    world.say(call, "hello")
    play(world.run_until_quiet(1.0))
    snapshot = world.snapshot()
    again = Provider(media=Media())
    again.restore(snapshot)
    again.attach(run)
    assert again.media.current(call) is None
    assert again.media.of(call)[0].by == "death"
    again.connect(listener)
    play(again.run_until_quiet(1.0))
    assert listener.events[-1]["wantsStream"]
    assert listener.events[-1]["type"] == "call.active"
    assert again.media.current(call) is not None


def test_a_world_that_does_not_reconnect_leaves_it_at_that(listener, run, play):
    world = Provider(media=Media(reconnects=False))
    world.attach(run)
    world.connect(listener)
    world.say(connected(world, play), "hello")
    play(world.run_until_quiet(1.0))
    again = Provider()
    again.restore(world.snapshot())
    again.attach(run)
    again.connect(listener)
    play(again.run_until_quiet(10.0))
    assert listener.kinds() == ["start", "transcript"]


def test_nobody_asks_again_for_a_stream_over_which_nothing_was_said(world, listener, run, play):
    connected(world, play)
    again = Provider()
    again.restore(world.snapshot())
    again.attach(run)
    again.connect(listener)
    play(again.run_until_quiet(9.0))
    assert listener.kinds() == ["start"]


def test_a_stranger_learns_whether_anybody_listens(world, listener, run, play):
    call = connected(world, play)
    play(world.knock_stream("stream-guess", call, "guess"))
    play(world.knock_stream("stream-valid", call, "t-guessed"))
    assert world.outer.knocks == {"stream-guess": 1008, "stream-valid": 200}
    assert run.seen("refused", "acknowledged")[-2:] == [
        ("refused", "hostile:stream-guess"),
        ("acknowledged", "hostile:stream-valid"),
    ]


def test_a_renamed_call_is_told_under_both_ids_and_answers_to_both(world, listener, play):
    call = connected(world, play)
    world.rename(call)
    play(world.run_until_quiet(1.0))
    assert (listener.events[-1]["callId"], listener.events[-1]["providerCallId"]) == (call, f"{call}-anew")
    assert play(world.hang_up(f"{call}-anew", key="k"))
    assert not world.remote(call).alive


def test_the_assistant_answers_fails_and_takes_its_time(world, run, play):
    assistant = Assistant(world)
    world.media.moods += [Mood("slow", 1, 3.0), Mood("fails"), Mood("says-nothing")]
    began = run.now()
    assert play(assistant.reply({"providerCallId": "in-1"}, "a")) == "you said: a"
    assert run.now() == began + 3.0
    with pytest.raises(AssistantFailed):
        play(assistant.reply({"providerCallId": "in-1"}, "b"))
    assert play(assistant.reply({"providerCallId": "in-1"}, "c")) is None
    assert play(assistant.reply({"providerCallId": "in-1"}, "d")) == "you said: d"
    assert [asked.outcome for asked in world.media.asked] == ["answered", "failed", "nothing", "answered"]


def test_a_socket_tells_its_client_how_the_application_closed_it(play):
    closed = []

    async def opened(application):
        socket = Socket(application, "/voice/stream", query="token=t", on_text=lambda _: None, on_close=closed.append)
        await asyncio.sleep(0.01)
        return socket

    async def refuses(scope, receive, send):
        assert scope["query_string"] == b"token=t"
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        assert (await receive())["type"] == "websocket.disconnect"

    async def breaks(scope, receive, send):
        raise RuntimeError("breaks")

    async def goes(scope, receive, send):
        await receive()

    sockets = [play(opened(application)) for application in (refuses, breaks, goes)]
    assert closed == [1008, 1011, 1006]
    assert [socket.accepted for socket in sockets] == [False, False, False]


def test_an_application_that_sends_to_a_client_who_has_gone_is_told_so(play):
    told = []

    async def late(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            told.append(str(error))

    async def story():
        socket = Socket(late, "/voice/stream", on_text=told.append, on_close=lambda _: None)
        await asyncio.sleep(0.01)
        assert socket.accepted
        socket.close()
        await asyncio.sleep(0.01)

    play(story())
    assert told == ["the client has gone"]
