"""A line carries a change, and only a change: what is written folds back into what was meant."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scenarios.voice_call.manager.lifecycle import forget_event_ids
from scenarios.voice_call.manager.records import CallRecord, RecordFold, TranscriptLine, decode_line, delta, encode_line

FIRST = CallRecord(call_id="c-1", direction="inbound", provider="mock", state="ringing")


def line(before: CallRecord | None, after: CallRecord, seq: int = 1) -> bytes:
    return encode_line(seq=seq, gen=1, call="c-1", kind="x", body=delta(before, after))


def folded(*lines: bytes) -> CallRecord:
    fold = RecordFold()
    for raw in lines:
        fold.apply(decode_line(raw[:-1]))
    record, doubtful = fold.record("c-1")
    assert not doubtful
    return record


ids = st.lists(st.text("ab", max_size=2), max_size=25).map(tuple)
times = st.lists(st.integers(0, 2), max_size=25).map(tuple)


@given(ids, ids, times, times)
def test_any_change_of_the_lists_folds_back(
    old: tuple[str, ...], new: tuple[str, ...], earlier: tuple[int, ...], later: tuple[int, ...]
) -> None:
    before = replace(FIRST, processed_event_ids=old, processed_event_times=earlier)
    after = replace(before, processed_event_ids=new, processed_event_times=later, state="answered")
    assert folded(line(None, before), line(before, after)) == after


@given(times, st.integers(0, 25), times)
def test_forgetting_and_remembering_folds_back(kept: tuple[int, ...], forgotten: int, added: tuple[int, ...]) -> None:
    before = replace(FIRST, processed_event_times=kept)
    after = replace(before, processed_event_times=kept[forgotten:] + added)
    assert folded(line(None, before), line(before, after)) == after


def test_line_of_a_long_call_is_as_short_as_that_of_a_young_one() -> None:
    record, lines = FIRST, [line(None, FIRST)]
    for number in range(1, 1_201):
        said = TranscriptLine(number, "user", "and so on")
        grown = replace(
            record,
            processed_event_ids=(*record.processed_event_ids, f"e{number:04}"),
            processed_event_times=(*record.processed_event_times, number),
            transcript=(*record.transcript, said),
        )
        after = forget_event_ids(grown, 500)
        lines.append(line(record, after, number + 1))
        record = after
    assert len(record.processed_event_ids) == 500
    assert max(map(len, lines)) < 500
    assert folded(*lines) == record
