"""Long logs: read in pieces, with memory for the records and not for the file."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.voice_call.manager import store as store_module
from scenarios.voice_call.manager.config import SilentLog
from scenarios.voice_call.manager.log_reading import LoadedLog, LogReader, OutOfOrder
from scenarios.voice_call.manager.records import encode_line
from scenarios.voice_call.manager.store import Store

ROOT = Path(__file__).parents[4]
AT = 1_700_000_000_000
MB = 1 << 20
LONG_CALL = "00000000-aaaa-4aaa-8aaa-000000000000"
Lines = Any


def first_body(call: str, at: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "providerCallId": f"CA{call}",
        "direction": "inbound",
        "provider": "mock",
        "clientKey": None,
        "standing": "call",
        "state": "ringing",
        "from": "+15551112222",
        "to": "+15550000000",
        "startedAt": at,
        "transcript": [],
        "processedEventIds": [f"{call}-0"],
        "processedEventTimes": [at],
        "staleBefore": 0,
        "metadata": {"initialMessage": "Hello! How can I help you today?", "mode": "conversation"},
        "deadlines": {"unanswered": at + 120_000},
        "greeting": "queued",
        "hangUpOwed": False,
    }
    return {"set": fields}


def next_body(chance: random.Random, call: str, number: int) -> dict[str, Any]:
    added: dict[str, list[Any]] = {
        "processedEventIds": [f"{call[:8]}-{number}"],
        "processedEventTimes": [AT + number],
    }
    if chance.random() < 0.3:
        said = {
            "timestamp": AT + number,
            "speaker": "user",
            "text": f"and then {number} people came in",
            "isFinal": True,
        }
        added["transcript"] = [said]
    known = {"providerCallId": f"CA{call}", "direction": "inbound", "provider": "mock", "clientKey": None}
    return {"set": known | {"state": chance.choice(["listening", "speaking"])}, "add": added}


def busy_day(size: int) -> Iterator[bytes]:
    """A log of about `size` bytes: lines of 300 to 500 B, calls of some thirty events, and one that goes on all day."""
    chance = random.Random(1)
    open_calls = [LONG_CALL]
    written = number = 0
    body = first_body(LONG_CALL, AT)
    call = LONG_CALL
    while written < size:
        number += 1
        raw = encode_line(seq=number, gen=1, call=call, kind="event", body=body)
        written += len(raw)
        yield raw
        if chance.random() < 0.03 and len(open_calls) > 8:
            open_calls.pop(1)
        if len(open_calls) <= 8:
            call = f"{chance.getrandbits(32):08x}-aaaa-4aaa-8aaa-{number:012d}"
            open_calls.append(call)
            body = first_body(call, AT + number)
        else:
            call = LONG_CALL if chance.random() < 0.01 else chance.choice(open_calls[1:])
            body = next_body(chance, call, number)


def one_restless_call(size: int) -> Iterator[bytes]:
    """A log of about `size` bytes that says next to nothing: one call, to and fro."""
    yield encode_line(seq=1, gen=1, call=LONG_CALL, kind="event", body=first_body(LONG_CALL, AT))
    for number in range(2, size // 300):
        state = "listening" if number % 2 else "speaking"
        body = {"set": {"providerCallId": "CA", "state": state, "metadata": {"note": "x" * 150, "turnCount": number}}}
        yield encode_line(seq=number, gen=1, call=LONG_CALL, kind="event", body=body)


LOGS = {"busy-day": busy_day, "one-restless-call": one_restless_call}


# --- pieces say what the whole says ------------------------------------------------------------------------------


def whole(data: bytes) -> LoadedLog:
    return LogReader(SilentLog(), lambda record: record).read(data)


def in_pieces(data: bytes, size: int) -> LoadedLog:
    reader = LogReader(SilentLog(), lambda record: record)
    rest = data[:size]
    for at in range(size, len(data), size):
        rest = reader.take_piece(rest + data[at : at + size])
    return msgspec.structs.replace(reader.read(rest), begins_at=0, checksum=0)


def a_line(seq: int, gen: int, call: str, kind: str, value: int) -> bytes:
    body: dict[str, Any] = {"set": {"state": "ringing", "startedAt": value}, "add": {"aliases": [f"p-{value}"]}}
    if kind == "snapshot":
        body = {"set": {"state": "answered", "aliases": [f"s-{value}"]}, "covers": seq}
    if kind == "unknown":
        body = {"set": {}, "wipe": True}
    raw = encode_line(seq=seq, gen=gen, call=call, kind=kind, body=body)
    if kind == "damaged":
        return raw.replace(b"ringing", b"rinXing")
    if kind == "zeros":
        return b"\0" * 30 + raw
    if kind == "old":
        return b'{"callId":"%s","state":"ringing","startedAt":%d}\n' % (call.encode(), value)
    return raw


kinds = st.sampled_from(["event", "event", "event", "snapshot", "unknown", "damaged", "zeros", "old"])
lines_of_any_writer = st.builds(
    a_line, st.integers(0, 12), st.integers(1, 3), st.sampled_from(["a", "b"]), kinds, st.integers(0, 99)
)
ends = st.sampled_from([b"", b'{"torn', b"\0\0\0", b"\0\0\n", a_line(13, 3, "a", "event", 7)[:-1]])


@given(st.lists(lines_of_any_writer, max_size=12), ends, st.integers(1, 400))
def test_pieces_of_any_log_say_what_the_whole_says_or_ask_for_the_whole(
    lines: list[bytes], end: bytes, size: int
) -> None:
    data = b"".join(lines) + end
    try:
        found = in_pieces(data, size)
    except OutOfOrder:
        return
    assert found == whole(data)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), kinds, st.integers(0, 1)), max_size=15), ends, st.integers(1, 400)
)
def test_log_of_writers_that_took_turns_never_needs_the_whole(
    written: list[tuple[str, str, int]], end: bytes, size: int
) -> None:
    lines, gen = [], 1
    for number, (call, kind, restarts) in enumerate(written, 1):
        gen += restarts
        lines.append(a_line(number, gen, call, kind, number))
    data = b"".join(lines) + (end if b"seq" not in end else a_line(99, 99, "a", "event", 7)[:-1])
    assert in_pieces(data, size) == whole(data)


def test_snapshots_of_a_compaction_share_a_number_across_pieces() -> None:
    lines = [encode_line(seq=9, gen=1, call=f"c-{n}", kind="snapshot", body={"set": {}, "covers": 9}) for n in range(9)]
    found = in_pieces(b"".join([*lines, a_line(10, 1, "c-0", "event", 1)]), 100)
    assert len(found.records) == 9 and not found.quarantined


# --- the store ---------------------------------------------------------------------------------------------------


class Watched(LogReader):
    """Notes how much it was given at once."""

    most_bytes = 0
    most_entries = 0

    def take_piece(self, data: bytes) -> bytes:
        Watched.most_bytes = max(Watched.most_bytes, len(data))
        return super().take_piece(data)

    def fold_piece(self) -> None:
        Watched.most_entries = max(Watched.most_entries, len(self.entries))
        super().fold_piece()


class WatchedStore(Store):
    reader = Watched


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(store_module, "_PIECE_SIZE", 4096)
    Watched.most_bytes = Watched.most_entries = 0
    return 4096


@pytest.mark.parametrize("size", [40_000, 400_000])
def test_reading_is_linear_and_holds_one_piece(
    tmp_path: Path, log: Lines, small_pieces: int, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data = b"".join(busy_day(size))
    (tmp_path / "calls.jsonl").write_bytes(data)
    reads = []
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, count: reads.append(count) or real(fd, count))
    store = WatchedStore(str(tmp_path), log=log)
    found = store.open()
    store.close()
    assert len(reads) == len(data) // small_pieces + 2
    assert Watched.most_bytes <= 3 * small_pieces and 0 < Watched.most_entries < 40
    assert found.records == whole(data).records and found.lines == data.count(b"\n")


def test_reopened_and_compacted_long_log_says_the_same(tmp_path: Path, log: Lines, small_pieces: int) -> None:
    data = b"".join(busy_day(60_000))
    (tmp_path / "calls.jsonl").write_bytes(data + b'{"torn')
    store = WatchedStore(str(tmp_path), log=log)
    records = store.open().records
    store.poison("tried")
    assert store.reopen().records == records
    assert (tmp_path / "calls.jsonl").read_bytes() == data
    assert store.compact(list(records.values()))
    store.append(records[LONG_CALL], msgspec.structs.replace(records[LONG_CALL], state="completed"), "x")
    store.close()
    again = Store(str(tmp_path), log=log)
    found = again.open().records
    again.close()
    assert found.pop(LONG_CALL).state == "completed"
    assert records.pop(LONG_CALL).state != "completed" and found == records


def test_log_that_changes_while_it_is_copied_stays_closed(tmp_path: Path, log: Lines, small_pieces: int) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(busy_day(60_000)))

    class Decaying(WatchedStore):
        def read_log(self, data: bytes) -> LoadedLog:
            with path.open("r+b") as file:
                file.seek(100)
                file.write(b"?" if self.poisoned else b"")
            return super().read_log(data)

    store = Decaying(str(tmp_path), log=log)
    store.open()
    store.poison("tried")
    with pytest.raises(store_module.StoreUnavailable, match="changed while it was copied"):
        store.reopen()
    assert store.poisoned is not None
    store.close()


def test_long_log_out_of_order_is_read_in_one_piece(tmp_path: Path, log: Lines, small_pieces: int) -> None:
    lines = list(busy_day(40_000))
    (tmp_path / "calls.jsonl").write_bytes(b"".join([*lines[10:], *lines[:10]]))
    store = WatchedStore(str(tmp_path), log=log)
    found = store.open()
    store.close()
    assert found.records == whole(b"".join(lines)).records and not found.quarantined
    assert "log-read-in-one-piece" in log.names()


MEASURE = """
import sys, time
from scenarios.voice_call.manager.config import SilentLog
from scenarios.voice_call.manager.store import Store

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

store, before, began = Store(sys.argv[1], log=SilentLog()), peak(), time.process_time()
loaded = store.open()
print(len(loaded.records), loaded.lines, len(loaded.quarantined), time.process_time() - began, peak() - before)
if "compact" in sys.argv:
    assert store.compact(list(loaded.records.values()))
    print("compacted", peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of the memory is read from /proc")
@pytest.mark.parametrize(("name", "most"), [("busy-day", 100 * MB), ("one-restless-call", 20 * MB)])
def test_100_mb_take_memory_for_their_records_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, most: int
) -> None:
    with (tmp_path / "calls.jsonl").open("wb") as file:
        file.writelines(LOGS[name](100 * MB))
    command = [sys.executable, "-c", MEASURE, str(tmp_path), "compact"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    opened, compacted = done.stdout.splitlines()
    calls, lines, doubts, seconds, growth = opened.split()
    with capsys.disabled():
        print(
            f"\n{name}: 100 MB, {lines} lines, {calls} calls: {float(seconds):.2f} s of one core, {int(growth) / MB:.0f} MB"
        )
    assert int(doubts) == 0 and int(growth) < most
    assert int(compacted.split()[1]) < most + 20 * MB
