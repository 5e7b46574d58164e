"""Ends are noticed in time, rejected callers sent away, and nobody is blamed for a caller they never heard of."""

from harness.ledger import Ledger
from harness.scenario import Case, Phase
from harness.verdict import ObservedCall
from scenarios.voice_call.call_promises import somebody_owns_every_line
from scenarios.voice_call.ending_promises import NOTICED_S, ends_are_noticed, rejected_callers_are_sent_away
from scenarios.voice_call.event_promises import CallCase, readers_find_calls
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Happening, RemoteCall

ENDED_S = 100.0


def caller(*, ended_at: float | None = None) -> Provider:
    provider = Provider()
    provider.outer.calls["in-1"] = RemoteCall(
        "in-1", "inbound", "+1555", "+1556", 0.0, alive=ended_at is None, ended_at=ended_at
    )
    return provider


def ringing(*, acknowledged: bool = False, pending: int = 0) -> Happening:
    return Happening("in-1-1", "call.ringing", "in-1", {}, 0.0, pending=pending, acknowledged=acknowledged)


def case(provider: Provider, *, fault_fired: bool = False) -> CallCase:
    return Case(Phase.SETTLED, Ledger(), Ledger(), provider, None, fault_fired=fault_fired)


def held(ended_at: float | None, *, at: float = 0.0) -> CallsObserved:
    ended_ms = None if ended_at is None else ended_at * 1000
    call = ObservedCall("c", "in-1", live=ended_at is None)
    return CallsObserved(calls=(call,), records={"c": {"providerCallId": "in-1", "endedAt": ended_ms}}, at=at)


def rejected() -> CallsObserved:
    return CallsObserved(records={"c": {"providerCallId": "in-1", "endedAt": 0}})


def test_an_end_that_is_noticed_by_asking_is_in_time() -> None:
    world = caller(ended_at=ENDED_S)
    assert ends_are_noticed(case(world), held(ENDED_S + NOTICED_S)) == []


def test_an_end_that_only_the_cap_noticed_is_told() -> None:
    found = ends_are_noticed(case(caller(ended_at=ENDED_S)), held(ENDED_S + NOTICED_S + 1.0))
    assert [told.verdict for told in found] == ["stale-active"]


def test_an_end_that_is_not_noticed_at_all_is_told() -> None:
    found = ends_are_noticed(case(caller(ended_at=ENDED_S)), held(None, at=ENDED_S + NOTICED_S + 1.0))
    assert [told.verdict for told in found] == ["stale-active"]


def test_a_disk_or_provider_that_failed_excuses_a_late_end() -> None:
    world = caller(ended_at=ENDED_S)
    late = held(ENDED_S + NOTICED_S + 1.0)
    assert ends_are_noticed(case(world, fault_fired=True), late) == []
    world.outer.failed_commands = 1
    assert ends_are_noticed(case(world), late) == []


def test_a_rejected_caller_who_still_hears_it_ring_is_told() -> None:
    found = rejected_callers_are_sent_away(case(caller()), rejected())
    assert [(told.verdict, told.subject) for told in found] == [("side-effect-lost", "in-1")]


def test_a_rejected_caller_who_is_gone_is_owed_nothing() -> None:
    assert rejected_callers_are_sent_away(case(caller(ended_at=ENDED_S)), rejected()) == []


def test_a_caller_the_manager_was_never_told_of_is_nobodys_fault() -> None:
    world = caller()
    world.outer.happenings["in-1-1"] = ringing()
    assert somebody_owns_every_line(case(world), CallsObserved()) == []


def test_a_caller_whose_event_was_acknowledged_has_an_owner() -> None:
    world = caller()
    world.outer.happenings["in-1-1"] = ringing(acknowledged=True)
    assert [told.verdict for told in somebody_owns_every_line(case(world), CallsObserved())] == ["orphan-remote"]


def test_a_history_that_begins_with_the_oldest_call_is_told() -> None:
    records = {
        name: {"providerCallId": None, "state": "completed", "startedAt": at} for name, at in (("a", 1), ("b", 2))
    }
    calls = tuple(ObservedCall(name, None, live=False) for name in records)
    status = {name: (name, "completed") for name in records}
    newest_first = CallsObserved(calls=calls, records=records, history=("b", "a"), status=status)
    assert readers_find_calls(case(Provider()), newest_first) == []
    oldest_first = CallsObserved(calls=calls, records=records, history=("a", "b"), status=status)
    assert [told.verdict for told in readers_find_calls(case(Provider()), oldest_first)] == ["reordered"]
