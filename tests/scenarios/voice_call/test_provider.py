"""The provider: what it redelivers, when, and what it marks; how its commands fail; how it survives."""

import asyncio

import msgspec
import pytest

from scenarios.voice_call.asgi import Answer, send_request
from scenarios.voice_call.deliveries import SIGNATURE, signature
from scenarios.voice_call.manager.provider_client import (
    CallStatus,
    ProviderRefused,
    ProviderRequest,
    ProviderUnavailable,
)
from scenarios.voice_call.policy import AT_MOST_ONCE, CONNECT_RETRY, LONG_HORIZON, RETRY_NON_2XX
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Callee


class Subject:
    """An ASGI application that answers with the next of `statuses` (None: dies without an answer), then 200."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.received = []

    async def __call__(self, scope, receive, send):
        body = (await receive())["body"]
        document = msgspec.json.decode(body)
        self.received.append([event["id"] for event in document.get("events") or [document["event"]]])
        status = self.statuses.pop(0) if self.statuses else 200
        if status is None:
            raise RuntimeError("dies")
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"OK"})


def provider(run, subject, policy=RETRY_NON_2XX, callee=None):
    made = Provider(policy, callee)
    made.attach(run)
    made.connect(subject)
    return made


def test_an_inbound_call_is_marked_attempted_then_acknowledged(run, play):
    subject = Subject()
    world = provider(run, subject)
    call = world.ring()
    play(world.run_until_quiet(10))
    assert subject.received == [["in-1-1"]]
    assert run.seen("world", "attempted", "acknowledged") == [
        ("world", "ring:in-1"),
        ("attempted", "in-1-1"),
        ("acknowledged", "in-1-1"),
    ]
    assert world.outer.happenings["in-1-1"].owed
    assert call == "in-1"


def test_acknowledged_is_marked_while_the_application_still_runs(run, play):
    after = []

    async def subject(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        after.append(run.seen("acknowledged"))
        await send({"type": "http.response.body", "body": b"O", "more_body": True})
        after.append(run.seen("acknowledged"))
        await send({"type": "http.response.body", "body": b"K"})
        after.append(run.seen("acknowledged"))

    world = provider(run, subject)
    world.ring()
    play(world.run_until_quiet(10))
    assert after == [[], [], [("acknowledged", "in-1-1")]]


@pytest.mark.parametrize(
    ("policy", "statuses", "waits"),
    [
        (AT_MOST_ONCE, (503,), []),
        (AT_MOST_ONCE, (None,), []),
        (CONNECT_RETRY, (503,), []),
        (CONNECT_RETRY, (None, None), [1]),
        (RETRY_NON_2XX, (503, None, 500, 503), [2, 6, 14]),
        (RETRY_NON_2XX, (503, None), [2, 6]),
        (LONG_HORIZON, (503, 503, 503), [30, 150, 630]),
    ],
)
def test_each_policy_redelivers_on_its_schedule(run, play, policy, statuses, waits):
    subject = Subject(*statuses)
    world = provider(run, subject, policy)
    start = run.now()
    times = []
    mark = run.mark

    def timed(kind, event="", **detail):
        if kind == "attempted":
            times.append(round(run.now() - start))
        mark(kind, event, **detail)

    run.mark = timed
    world.ring()
    play(world.run_until_quiet(100_000))
    assert times == [0, *waits]
    assert world.next_due() is None
    assert world.outer.happenings["in-1-1"].pending == 0


def test_an_answer_that_got_lost_is_redelivered_and_not_marked_acknowledged(run, play):
    subject = Subject()
    world = provider(run, subject, CONNECT_RETRY)
    world.lose_answers(1)
    world.ring()
    play(world.deliver_due())
    assert run.seen("acknowledged") == []
    play(world.run_until_quiet(10))
    assert subject.received == [["in-1-1"], ["in-1-1"]]
    assert run.seen("acknowledged") == [("acknowledged", "in-1-1")]


def test_duplicate_delay_reorder_and_batch_bend_the_deliveries(run, play):
    subject = Subject()
    world = provider(run, subject)
    call = world.ring()
    world.pick_up(call)
    world.reorder()
    play(world.deliver_due())
    world.duplicate("in-1-1")
    world.say(call, "yes")
    world.press(call, "1")
    world.batch(2)
    play(world.run_until_quiet(10))
    assert subject.received == [["in-1-2"], ["in-1-1"], ["in-1-1", "in-1-3"], ["in-1-4"]]
    world.press(call, "2")
    world.press(call, "3")
    world.delay(5)
    play(world.run_until_quiet(10))
    assert subject.received[-2:] == [["in-1-6"], ["in-1-5"]]


def test_a_batch_travels_in_one_request_and_is_marked_event_by_event(run, play):
    subject = Subject(503)
    world = provider(run, subject)
    call = world.ring()
    world.pick_up(call)
    world.batch(2)
    play(world.run_until_quiet(10))
    assert subject.received == [["in-1-1", "in-1-2"]] * 2
    assert run.seen("refused", "acknowledged") == [
        ("refused", "in-1-1"),
        ("refused", "in-1-2"),
        ("acknowledged", "in-1-1"),
        ("acknowledged", "in-1-2"),
    ]


def test_what_was_in_flight_at_the_death_is_redelivered_after_the_restore(run, play):
    snapshots = []

    async def subject(scope, receive, send):
        await receive()
        snapshots.append(world.snapshot())

    world = provider(run, subject, CONNECT_RETRY)
    world.ring()
    play(world.deliver_due())
    restored = Provider()
    restored.restore(snapshots[0])
    restored.attach(run)
    assert restored.next_due() == run.now() + 1
    after = Subject()
    restored.connect(after)
    play(restored.run_until_quiet(5))
    assert after.received == [["in-1-1"]]


def test_at_most_once_gives_up_what_was_in_flight_at_the_death(run, play):
    snapshots = []

    async def subject(scope, receive, send):
        await receive()
        snapshots.append(world.snapshot())

    world = provider(run, subject, AT_MOST_ONCE)
    world.ring()
    play(world.deliver_due())
    world.restore(snapshots[0])
    assert world.next_due() is None
    assert world.outer.happenings["in-1-1"].pending == 0


def test_a_restored_provider_is_what_was_snapshot_and_its_version_grew(run, play):
    world = provider(run, Subject())
    version = world.version
    call = world.ring()
    assert world.version > version
    snapshot = world.snapshot()
    play(world.deliver_due())
    world.leave(call)
    version = world.version
    world.restore(snapshot)
    assert world.version > version
    assert world.snapshot() == snapshot
    assert world.remote(call).alive


def test_a_dial_with_the_same_key_is_the_same_call(run, play):
    world = provider(run, Subject())

    async def twice():
        return [await dial(world, "k1"), await dial(world, "k1"), await dial(world, "k2")]

    assert [result.provider_call_id for result in play(twice())] == ["out-1", "out-1", "out-2"]
    assert run.seen("effect") == [("effect", "k1"), ("effect", "k2")]


def dial(world, key):
    return world.dial(key=key, to="+15552222222", from_="+15550000000", ring_timeout_ms=30_000, message=None)


@pytest.mark.parametrize(("outcome", "kinds"), [("answer", "call.answered"), ("busy", "call.ended")])
def test_a_dialled_person_rings_then_answers_or_does_not(run, play, outcome, kinds):
    world = provider(run, Subject(), callee=Callee(outcome=outcome, after_s=3))

    async def call():
        await dial(world, "k1")
        await world.run_until_quiet(10)

    play(call())
    events = list(world.outer.happenings.values())
    assert [event.kind for event in events] == ["call.ringing", kinds]
    assert {event.body["clientKey"] for event in events} == {"k1"}
    assert events[1].at - events[0].at == pytest.approx(3)
    assert world.remote("out-1").reason == (None if outcome == "answer" else outcome)


@pytest.mark.parametrize(
    ("mode", "raised", "happened"),
    [
        ("refused", ProviderRefused, False),
        ("unavailable", ProviderUnavailable, False),
        ("unanswered", ProviderUnavailable, True),
    ],
)
def test_a_command_fails_as_it_was_told_and_works_the_next_time(run, play, mode, raised, happened):
    world = provider(run, Subject())
    world.fail("dial", mode)
    with pytest.raises(raised):
        play(dial(world, "k1"))
    assert bool(run.seen("effect")) is happened
    assert play(world.find_by_key("k1")) == ("out-1" if happened else None)
    play(dial(world, "k1"))
    assert run.seen("effect") == [("effect", "k1")]


def test_a_slow_dial_is_overtaken_by_its_own_events(run, play):
    subject = Subject()
    world = provider(run, subject)
    world.fail("dial", "slow", delay_s=5)

    async def order():
        task = asyncio.ensure_future(dial(world, "k1"))
        await asyncio.sleep(0.1)
        await world.run_until_quiet(2)
        return list(subject.received), task.done(), await task

    received, done, _ = play(order())
    assert received == [["out-1-1"], ["out-1-2"]]
    assert not done


def test_hanging_up_twice_ends_once_and_tells_so(run, play):
    world = provider(run, Subject())
    call = world.ring()
    assert play(world.hang_up(call, key="h1")) is True
    assert play(world.hang_up(call, key="h1")) is False
    assert play(world.hang_up("nobody", key="h2")) is False
    assert run.seen("effect") == [("effect", "h1")]
    assert world.remote(call).reason == "hangup-bot"
    assert play(world.status(call)).reason == "hangup-bot"
    assert play(world.status("nobody")).status == CallStatus.NOT_FOUND


def test_a_prompt_into_a_call_that_is_gone_is_refused(run, play):
    world = provider(run, Subject())
    call = world.ring()
    play(world.play(call, "hello", key="p1"))
    world.leave(call)
    with pytest.raises(ProviderRefused):
        play(world.play(call, "hello", key="p2"))
    assert [played.text for played in world.remote(call).played] == ["hello"]


def test_speech_carries_the_token_of_the_turn_that_listens(run, play):
    world = provider(run, Subject())
    call = world.ring()
    play(world.listen(call, turn_token="t1"))
    assert world.say(call, "yes").body["turnToken"] == "t1"
    play(world.stop_listening(call))
    assert "turnToken" not in world.say(call, "yes").body


def test_an_event_acknowledged_after_the_end_owes_nothing_but_the_end_does(run, play):
    world = provider(run, Subject())
    call = world.ring()
    play(world.deliver_due())
    world.say(call, "bye")
    world.leave(call)
    play(world.run_until_quiet(5))
    assert {event.kind: event.owed for event in world.outer.happenings.values()} == {
        "call.ringing": True,
        "call.speech": False,
        "call.ended": True,
    }


def test_only_a_body_with_its_own_signature_is_genuine():
    body = b'{"event":{}}'
    world = Provider()

    def genuine(body, mark):
        return world.verify(ProviderRequest(method="POST", path="/", headers={SIGNATURE: mark}, body=body))

    assert genuine(body, signature(body))
    assert not genuine(body + b" ", signature(body))
    assert not genuine(body, "")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"events": 1}'])
def test_a_body_that_is_no_event_document_raises(body):
    with pytest.raises(ValueError, match=r"webhook|Expecting"):
        Provider().parse(ProviderRequest(method="POST", path="/", headers={}, body=body))


def test_entries_are_handed_over_as_they_are_for_the_manager_to_judge():
    world = Provider()
    entries = [{"type": "call.ringing"}, {"callId": "a"}, 1, {"type": "call.ringing", "callId": "a"}]
    request = ProviderRequest(method="POST", path="/", headers={}, body=msgspec.json.encode({"events": entries}))
    assert world.parse(request) == entries


def test_faults_that_make_no_sense_are_refused_by_name():
    with pytest.raises(ValueError, match="command='fly'"):
        Provider().fail("fly", "refused")
    with pytest.raises(ValueError, match="mode='never'"):
        Provider().fail("dial", "never")


def test_a_response_that_came_before_the_exception_counts(play):
    async def subject(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"OK"})
        raise RuntimeError("afterwards")

    assert play(send_request(subject, "/", b"", {})) == Answer(200, b"OK")
