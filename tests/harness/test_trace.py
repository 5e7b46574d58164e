"""Traces: what they hold, their digest, their files."""

import pytest

from harness.trace import (
    TRACE_SCHEMA,
    Create,
    FailedSync,
    Fsync,
    Mark,
    Rename,
    Source,
    Trace,
    TraceFileError,
    Write,
    decode,
    describe,
    encode,
)


def some_trace(last: bytes = b"\xff\x00") -> Trace:
    trace = Trace()
    trace.record(Create(3, 2, "log"), Source("store.py", 7, "open"), 1.0)
    trace.record(Mark("attempted", "event-1", {"attempt": 1}), None, 1.5)
    trace.record(Write(3, 0, last), Source("store.py", 9), 2.0)
    trace.record(Fsync(3), None, 2.0)
    return trace


def test_operations_and_marks_are_counted_apart():
    trace = some_trace()
    assert (len(trace), trace.operation_count) == (4, 3)
    assert [entry.operation for entry in trace] == [0, 1, 1, 2]
    assert trace.marks() == [Mark("attempted", "event-1", {"attempt": 1})]
    assert trace.marks(before=1) == []


def test_a_file_gives_back_the_trace():
    trace = some_trace()
    again = decode(encode(trace))
    assert (again.items, again.sources, again.times) == (trace.items, trace.sources, trace.times)
    assert again.digest() == trace.digest()


def test_the_digest_sees_bytes_and_times():
    moved = some_trace()
    moved.times[-1] += 0.1
    assert len({some_trace().digest(), some_trace(b"\xff\x01").digest(), moved.digest()}) == 3


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a trace file"),
        (b'{"schema": 1}', "not a trace file"),
        (b'{"schema": %d, "items": [], "sources": [], "times": []}' % (TRACE_SCHEMA + 1), "use a newer harness"),
        (b'{"schema": 1, "items": [], "sources": [null], "times": []}', "0 items, 1 sources"),
        (b'{"schema": 1, "items": [{"op": "format-disk"}], "sources": [null], "times": [0]}', "format-disk"),
    ],
)
def test_what_is_no_trace_is_refused_with_a_reason(data, complaint):
    with pytest.raises(TraceFileError, match=complaint):
        decode(data)


def test_items_are_told_in_words():
    assert describe(Write(3, 5, b"abc"), {3: "/data/log"}) == "write 3 bytes at 5 to /data/log"
    assert describe(Rename(3, 2, "a", 2, "b"), {2: "/data"}) == "rename /data/a -> /data/b"
    assert describe(Mark("acknowledged", "e1")) == "acknowledged e1"
    assert describe(Fsync(9)) == "fsync inode 9"


def test_a_failed_sync_has_one_digest_also_after_it_was_read_again():
    policy = "-".join(["drop", "clean"])  # equal to the default, and another object
    traces = [Trace() for _ in range(3)]
    for trace, sync in zip(
        traces, (FailedSync(3, 5), FailedSync(3, 5, policy), FailedSync(3, 0, "late-report")), strict=True
    ):
        trace.record(sync, None, 1.0)
        assert decode(encode(trace)).digest() == trace.digest()
    assert [trace.digest() == traces[0].digest() for trace in traces] == [True, True, False]
