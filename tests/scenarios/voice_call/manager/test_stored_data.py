"""Starting from files: what other versions, editors and broken disks have left in the place of the log."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from harness import crash_test
from scenarios.voice_call.manager.config import SilentLog
from scenarios.voice_call.manager.log_reading import EVERY_CALL, LoadedLog
from scenarios.voice_call.manager.records import CallRecord, encode_line
from scenarios.voice_call.manager.store import Store, StoreUnavailable

Lines = Any
World = Any
AT = 1_700_000_000_000


def snapshot(call: str, state: str, **fields: Any) -> dict[str, Any]:
    """A record as version 0 wrote it."""
    return {
        "callId": call,
        "providerCallId": f"p-{call}",
        "provider": "mock",
        "direction": "inbound",
        "state": state,
        "from": "+15551112222",
        "to": "+15550000000",
        "startedAt": AT,
        "transcript": [],
        "processedEventIds": [],
    } | fields


def old_log(*snapshots: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for one in snapshots)


def line(seq: int, call: str = "c-1", gen: int = 1, kind: str = "x", **fields: Any) -> bytes:
    return encode_line(seq=seq, gen=gen, call=call, kind=kind, body={"set": {"direction": "inbound"} | fields})


def put(directory: Path, content: bytes) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "calls.jsonl"
    path.write_bytes(content)
    return path


def loaded(directory: Path, log: Lines) -> LoadedLog:
    """What a start makes of the directory; a second start must make the same of it, and write nothing new."""
    store = Store(str(directory), log=log)
    first = store.open()
    store.close()
    once = (directory / "calls.jsonl").read_bytes()
    again = Store(str(directory), log=SilentLog())
    second = again.open()
    again.close()
    assert second.records == first.records
    assert second.quarantined.keys() == first.quarantined.keys()
    assert (directory / "calls.jsonl").read_bytes() == once
    return first


OLD = old_log(
    snapshot("a", "ringing", metadata={"initialMessage": "Hello", "mode": "conversation"}, processedEventIds=["e1"]),
    snapshot("b", "answered", answeredAt=AT + 5, processedEventIds=["e2"], color="blue"),
    snapshot("o", "initiated", direction="outbound", providerCallId=None),
    snapshot(
        "b",
        "hangup-user",
        answeredAt=AT + 5,
        endedAt=AT + 9,
        endReason="hangup-user",
        color="blue",
        transcript=[{"timestamp": AT + 6, "speaker": "user", "text": "grüße\u2028", "isFinal": True}],
        processedEventIds=["e2", "e3", "e4"],
    ),
)


# --- version 0 ---------------------------------------------------------------------------------------------------


def test_log_of_version_0_is_imported_once_and_kept_beside(tmp_path: Path, log: Lines) -> None:
    put(tmp_path, OLD)
    records = loaded(tmp_path, log).records
    assert list(records) == ["a", "b", "o"]
    assert (records["a"].state, records["a"].greeting, records["a"].from_) == ("ringing", "queued", "+15551112222")
    ended = records["b"]
    assert (ended.state, ended.ended_at, ended.end_reason) == ("hangup-user", AT + 9, "hangup-user")
    assert ended.processed_event_ids == ("e2", "e3", "e4") and len(ended.processed_event_times) == 3
    assert ended.transcript[0].text == "grüße\u2028" and ended.extra == {"color": "blue"}
    assert (records["o"].dial, records["o"].client_key) == ("unknown", "o")
    assert (tmp_path / "calls.v0.jsonl").read_bytes() == OLD
    assert b'"callId"' not in (tmp_path / "calls.jsonl").read_bytes()
    assert log.names().count("old-log-imported") == 1


def test_changes_after_an_import_apply_on_top_of_it(tmp_path: Path, log: Lines) -> None:
    put(tmp_path, OLD)
    store = Store(str(tmp_path), log=log)
    before = store.open().records["a"]
    store.append(None, CallRecord(call_id="n", state="ringing"), "inbound")
    store.append(before, CallRecord(call_id="a", state="answered", provider_call_id="p-a"), "call.answered")
    store.close()
    after = loaded(tmp_path, log)
    assert after.records["a"].state == "answered" and "n" in after.records and not after.quarantined


@pytest.mark.parametrize("state", ["completed", "no-answer"])
def test_old_end_without_time_and_reason_gets_both(tmp_path: Path, log: Lines, state: str) -> None:
    put(tmp_path, old_log(snapshot("a", state, answeredAt=AT + 7)))
    record = loaded(tmp_path, log).records["a"]
    assert (record.ended_at, record.end_reason, record.greeting) == (AT + 7, state, "none")


def test_damaged_line_and_torn_end_of_an_old_log_do_not_stop_the_import(tmp_path: Path, log: Lines) -> None:
    first, second, rest = OLD.split(b"\n", 2)
    put(tmp_path, first + b"\n" + second[:40] + b"\n" + rest + b'{"callId":"a","state":"comp')
    found = loaded(tmp_path, log)
    assert found.records["a"].state == "ringing" and found.records["b"].state == "hangup-user"
    assert list(found.quarantined) == [EVERY_CALL] and found.kept_lines == [second[:40]]


def test_old_line_that_misses_only_its_newline_counts(tmp_path: Path, log: Lines) -> None:
    put(tmp_path, OLD[:-1])
    assert loaded(tmp_path, log).records["b"].state == "hangup-user"


def test_field_of_an_old_line_that_cannot_be_read_does_not_drop_the_call(tmp_path: Path, log: Lines) -> None:
    put(tmp_path, old_log(snapshot("a", "ringing", startedAt="yesterday")))
    found = loaded(tmp_path, log)
    assert found.records["a"].extra == {"startedAt": "yesterday"} and "a" in found.quarantined


def test_old_lines_in_a_newer_log_make_their_calls_uncertain_and_change_nothing(tmp_path: Path, log: Lines) -> None:
    foreign = old_log(snapshot("a", "ringing"), snapshot("a", "active"))
    path = put(tmp_path, foreign + line(1, "a", state="completed") + old_log(snapshot("b", "active")))
    found = loaded(tmp_path, log)
    assert list(found.records) == ["a"] and found.records["a"].state == "completed"
    assert set(found.quarantined) == {"a", "b"}
    assert foreign in path.read_bytes() and not (tmp_path / "calls.v0.jsonl").exists()


def test_an_import_does_not_write_over_another_original(tmp_path: Path, log: Lines) -> None:
    path = put(tmp_path, OLD)
    (tmp_path / "calls.v0.jsonl").write_bytes(b"another log")
    with pytest.raises(StoreUnavailable, match=r"calls\.v0\.jsonl is there.*move it"):
        Store(str(tmp_path), log=log).open()
    assert path.read_bytes() == OLD and (tmp_path / "calls.v0.jsonl").read_bytes() == b"another log"


def import_old(mark: Any) -> None:
    """Take over from version 0, and add one call; runs on the simulated disk."""
    with open("/data/calls.jsonl", "wb") as file:
        file.write(OLD)
    mark("old log written")
    store = Store("/data", log=SilentLog())
    try:
        records = store.open().records
        assert list(records) == ["a", "b", "o"]
        mark("imported")
        store.append(None, CallRecord(call_id="n", state="ringing"), "inbound")
        mark("n")
    finally:
        store.close()


def found_again(marks: Any) -> None:
    """The old calls are there from the moment at which they were durable, whatever happened to the import."""
    store = Store("/data", log=SilentLog())
    found = store.open()
    store.close()
    if "imported" in marks:
        assert list(found.records)[:3] == ["a", "b", "o"] and not found.quarantined, found
        assert found.records["b"].processed_event_ids == ("e2", "e3", "e4")
        with open("/data/calls.v0.jsonl", "rb") as file:
            assert file.read() == OLD
    if "n" in marks:
        assert "n" in found.records


@pytest.mark.parametrize("profile", ["process", "strict"])
def test_import_survives_death_and_failure_at_every_operation(profile: str) -> None:
    crash_test(import_old, found_again, profile=profile)


def test_manager_goes_on_with_the_calls_of_version_0(world: World) -> None:
    put(Path(world.directory), OLD)

    async def story() -> None:
        world.provider.calls["p-a"] = world.in_progress
        manager = await world.started()
        assert manager.status("b")["state"] == "hangup-user" and not manager.status("b")["live"]
        again = world.event("speech", "p-b", id="e3", transcript="once more")
        assert await world.post(manager, again) == 200
        assert len(manager.status("b")["transcript"]) == 1
        assert manager.status("a")["live"]
        assert await world.post(manager, world.event("ended", "p-a", reason="completed")) == 200
        assert manager.status("p-a")["state"] == "completed"
        assert manager.status("o")["state"] == "failed"

    world.run(story())


# --- newer versions ----------------------------------------------------------------------------------------------


def test_lines_of_a_newer_version_are_kept_and_their_calls_uncertain(tmp_path: Path, log: Lines) -> None:
    newer = line(2, state="completed").replace(b'{"v":1,', b'{"v":2,')
    head = newer[: newer.rindex(b',"crc"')]
    newer = head + f',"crc":"{zlib.crc32(head):08x}"}}\n'.encode()
    path = put(tmp_path, line(1, state="ringing") + newer + line(3, "c-2", state="ringing"))
    found = loaded(tmp_path, log)
    assert found.records["c-1"].state == "ringing" and list(found.quarantined) == ["c-1"]
    assert found.kept_lines == [newer[:-1]] and newer in path.read_bytes() and found.last_seq == 3


def test_unknown_states_reasons_and_providers_are_not_dropped(world: World) -> None:
    newer = {"providerCallId": "p-1", "provider": "mock", "startedAt": AT, "hue": [1, 2]}
    log = line(1, "c-1", state="on-hold", **newer)
    log += line(2, "c-2", **(newer | {"state": "ringing", "provider": "carrier-pigeon", "providerCallId": "p-2"}))
    log += line(
        3, "c-3", **(newer | {"state": "completed", "endReason": "moon", "endedAt": AT, "providerCallId": "p-3"})
    )
    put(Path(world.directory), log)

    async def story() -> None:
        world.provider.calls["p-1"] = world.in_progress
        manager = await world.started()
        assert manager.status("c-1")["state"] == "on-hold" and manager.status("c-1")["live"]
        assert manager.status("c-2")["live"] and manager.status("c-2")["provider"] == "carrier-pigeon"
        assert manager.status("c-3")["endReason"] == "moon" and not manager.status("c-3")["live"]
        assert await world.post(manager, world.event("ended", "p-1", reason="completed")) == 200
        assert manager.status("c-1")["state"] == "completed"
        assert manager.book.get("c-1").extra == {"hue": [1, 2]}

    world.run(story())


def test_change_of_a_field_into_another_shape_makes_the_call_uncertain(tmp_path: Path, log: Lines) -> None:
    body = {"set": {}, "add": {"aliases": ["p-9"]}}
    put(tmp_path, line(1, aliases="p-7") + encode_line(seq=2, gen=1, call="c-1", kind="x", body=body))
    assert list(loaded(tmp_path, log).quarantined) == ["c-1"]


@pytest.mark.parametrize(
    "body",
    [
        {"set": {}, "covers": "all"},
        {"set": {}, "add": None},
        {"set": {}, "drop": {"aliases": -1}},
        {"set": []},
        {"add": {}},
        7,
    ],
)
def test_intact_line_of_another_shape_is_kept(tmp_path: Path, log: Lines, body: Any) -> None:
    strange = encode_line(seq=2, gen=1, call="c-1", kind="x", body=body)
    put(tmp_path, line(1, state="ringing") + strange)
    found = loaded(tmp_path, log)
    assert found.records["c-1"].state == "ringing" and found.kept_lines == [strange[:-1]]


# --- editors -----------------------------------------------------------------------------------------------------

THREE = [line(1, state="ringing"), line(2, state="answered"), line(3, state="completed", endedAt=AT)]


def test_edited_line_is_kept_and_its_call_uncertain(tmp_path: Path, log: Lines) -> None:
    edited = THREE[2].replace(b"completed", b"listening")
    put(tmp_path, THREE[0] + THREE[1] + edited + line(4, "c-2"))
    found = loaded(tmp_path, log)
    assert found.records["c-1"].state == "answered" and found.kept_lines == [edited[:-1]]
    assert found.quarantined == {"c-1": "the checksum does not match"}


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_lines_in_another_order_say_the_same(tmp_path: Path, log: Lines, order: tuple[int, ...]) -> None:
    put(tmp_path, b"".join(THREE[place] for place in order))
    found = loaded(tmp_path, log)
    assert found.records["c-1"].state == "completed" and not found.quarantined and found.last_seq == 3


@pytest.mark.parametrize("deleted", [0, 1])
def test_deleted_line_makes_every_call_uncertain(tmp_path: Path, log: Lines, deleted: int) -> None:
    put(tmp_path, b"".join(one for place, one in enumerate(THREE) if place != deleted))
    found = loaded(tmp_path, log)
    assert found.quarantined == {EVERY_CALL: f"lines {deleted + 1} to {deleted + 1} are missing"}
    assert found.records["c-1"].state == "completed"


def test_line_that_is_missing_beside_a_damaged_one_is_missed(tmp_path: Path, log: Lines) -> None:
    edited = THREE[0].replace(b"ringing", b"speaking")
    put(tmp_path, edited + THREE[2])
    assert list(loaded(tmp_path, log).quarantined) == ["c-1", EVERY_CALL]


def test_damaged_newline_hides_the_victim_behind_it(tmp_path: Path, log: Lines) -> None:
    lines = [line(1, "c-1"), line(2, "c-2"), line(3, "c-3")]
    put(tmp_path, lines[0][:-1] + b"\x0b" + lines[1] + lines[2])
    found = loaded(tmp_path, log)
    assert list(found.quarantined) == ["c-1", EVERY_CALL] and list(found.records) == ["c-3"]


@pytest.mark.parametrize("deleted", [0, 2])
def test_line_that_is_missing_beside_one_of_a_newer_version_is_missed(tmp_path: Path, log: Lines, deleted: int) -> None:
    newer = encode_line(seq=4, gen=1, call="c-4", kind="x", body={"set": {}, "wipe": True})
    kept = [one for place, one in enumerate(THREE) if place != deleted]
    put(tmp_path, kept[0] + newer + kept[1])
    assert list(loaded(tmp_path, log).quarantined) == ["c-4", EVERY_CALL]


def test_line_that_was_copied_counts_once(tmp_path: Path, log: Lines) -> None:
    body = {"set": {}, "add": {"processedEventIds": ["e1"], "processedEventTimes": [1]}}
    twice = encode_line(seq=4, gen=1, call="c-1", kind="x", body=body)
    put(tmp_path, b"".join(THREE) + twice + twice)
    assert loaded(tmp_path, log).records["c-1"].processed_event_ids == ("e1",)


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_carriage_returns_of_an_editor_are_no_damage(tmp_path: Path, log: Lines, end: bytes) -> None:
    put(tmp_path, b"".join(THREE).replace(b"\n", b"\r\n")[:-2] + end)
    store = Store(str(tmp_path), log=log)
    store.open()
    store.append(None, CallRecord(call_id="n", state="ringing"), "inbound")
    store.close()
    found = loaded(tmp_path, log)
    assert found.records["c-1"].state == "completed" and "n" in found.records and not found.quarantined


def test_empty_lines_make_nothing_but_doubt(tmp_path: Path, log: Lines) -> None:
    put(tmp_path, THREE[0] + b"\n" + THREE[1] + THREE[2])
    found = loaded(tmp_path, log)
    assert found.records["c-1"].state == "completed" and list(found.quarantined) == [EVERY_CALL]


# --- media -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 4096,
        b"\0" * 300 + b"\n",
        '{"v":1,"seq":4,"text":"gr\u00fc'.encode()[:-1],
        '{"v":1,"seq":4,"text":"\u2028'.encode(),
        b'{"v":1,"seq":4,"gen":1,"call":"c-2"',
    ],
    ids=["zeros", "zeros-and-newline", "half-a-character", "separator", "half-a-line"],
)
def test_append_in_flight_is_cut(tmp_path: Path, log: Lines, tail: bytes) -> None:
    path = put(tmp_path, b"".join(THREE) + tail)
    found = loaded(tmp_path, log)
    assert path.read_bytes() == b"".join(THREE) and not found.quarantined


def test_missing_newline_is_added(tmp_path: Path, log: Lines) -> None:
    path = put(tmp_path, b"".join(THREE)[:-1])
    assert loaded(tmp_path, log).records["c-1"].state == "completed"
    assert path.read_bytes() == b"".join(THREE)


def test_empty_file_is_an_empty_log(tmp_path: Path, log: Lines) -> None:
    put(tmp_path, b"")
    assert loaded(tmp_path, log).records == {}


def test_directory_in_the_place_of_the_log_is_told_and_the_lock_given_back(tmp_path: Path, log: Lines) -> None:
    (tmp_path / "calls.jsonl").mkdir()
    with pytest.raises(StoreUnavailable, match=r"calls\.jsonl.*directory"):
        Store(str(tmp_path), log=log).open()
    (tmp_path / "calls.jsonl").rmdir()
    assert loaded(tmp_path, log).records == {}
