"""From a replayed case to its story: who did what, what reached the disk when, what was found after the death."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from harness.disk import DiskImage, File, Folder, SymbolicLink, apply_to
from harness.durability.missing import missing_operations
from harness.durability.state import CrashState
from harness.explore.history import Segment
from harness.explore.inode_names import names_of
from harness.explore.play import Played
from harness.explore.recording import Recording
from harness.explore.saved_case import Death
from harness.report.byte_view import differing_rows, first_difference
from harness.report.fates import UNKNOWN, Fates, fates_of
from harness.report.story import Chapter, Crash, Event, FileChange, Lacking, Payload, Story, UnitFate
from harness.repro import Replay
from harness.statemachine import words as step_in_words
from harness.trace import Item, Mark, Source, Write, describe

MOST_ROWS: Final = 4_096
"""Differing rows of sixteen bytes that are kept of one file."""

Notes = Sequence[tuple[int, str]]


def story_of(replay: Replay) -> Story:
    """The whole story of a replay; runs nothing."""
    file, case = replay.file, replay.file.case
    return Story(
        verdict=case.verdict,
        guarantee=case.guarantee,
        summary=case.summary,
        scenario=case.scenario,
        workload=case.workload,
        seed=case.seed,
        phase=case.phase,
        profile=case.profile,
        fault=case.plan.describe() if case.plan is not None else "",
        operation=file.operation,
        source=file.source,
        profiles=file.profiles,
        steps=tuple(step_in_words(step) for step in case.steps),
        chapters=tuple(chapters_of(replay.played, case.deaths)),
        told=tuple((str(one.phase), one.violation.verdict, one.violation.summary) for one in replay.played.violations),
        shows=replay.violated,
        matches=replay.matches,
        warnings=replay.warnings,
    )


def chapters_of(played: Played, deaths: Sequence[Death]) -> Iterable[Chapter]:
    for segment in played.segments:
        yield _of_segment(segment)
    for number, life in enumerate(played.lives):
        death = deaths[number] if number < len(deaths) else None
        disk = played.disks[number] if number < len(played.disks) else None
        yield _of_life("recovery" if number else "recorded run", life, death, disk)
    exact = bool(deaths) and deaths[-1].state.profile != "process"
    for number, after in enumerate(played.recovery):
        trace = after.kernel.trace
        base = played.disks[-1] if number == 0 and played.disks else played.recovery[number - 1].kernel.image()
        names = names_of(base, trace.items)
        fates = (
            fates_of(base, trace.items, None, names, rules=deaths[-1].state.profile)
            if exact and not number
            else UNKNOWN
        )
        events = _events(trace.items, trace.sources, trace.times, after.notes, names, fates, 0)
        title = "restart and settling" if number == 0 else "killed once more, restarted"
        yield Chapter(title, 0, len(trace.items), tuple(events), None, fates.profile)


def _of_segment(segment: Segment) -> Chapter:
    trace = segment.trace
    return chapter_of(
        "history", segment.base, trace.items, trace.sources, trace.times, segment.notes, 0, segment.state, segment.found
    )


def _of_life(title: str, life: Recording, death: Death | None, disk: DiskImage | None) -> Chapter:
    end = death.position if death is not None else life.end
    state = death.state if death is not None else None
    return chapter_of(title, life.base, life.items[:end], life.sources, life.times, life.notes, life.began, state, disk)


def chapter_of(
    title: str,
    base: DiskImage,
    items: Sequence[Item],
    sources: Sequence[Source | None],
    times: Sequence[float],
    notes: Notes,
    began: int,
    state: CrashState | None,
    found: DiskImage | None,
) -> Chapter:
    """The items from `began` on; at their end the machine died and left `found` (`state` None: nobody died)."""
    names = names_of(base, items)
    fates = fates_of(base, items, state, names)
    events = tuple(_events(items, sources, times, notes, names, fates, began))
    crash = _crash(base, items, sources, state, found, fates) if state is not None and found is not None else None
    return Chapter(title, began, len(items), events, crash, fates.profile)


def _events(
    items: Sequence[Item],
    sources: Sequence[Source | None],
    times: Sequence[float],
    notes: Notes,
    names: Mapping[int, str],
    fates: Fates,
    began: int,
) -> Iterable[Event]:
    start = times[began] if began < len(times) else 0.0
    said: dict[int, list[str]] = {}
    for position, text in notes:
        said.setdefault(position, []).append(text)
    at_s = 0.0
    for position in range(began, len(items) + 1):
        if position < len(items):
            at_s = times[position] - start
        if position in said:
            yield Event(position, at_s, "subject", "note", "; ".join(said[position]))
        if position == len(items):
            return
        item, source = items[position], sources[position]
        if isinstance(item, Mark):
            detail = ", ".join(f"{key}={value}" for key, value in item.detail.items())
            words = f"{describe(item)} ({detail})" if detail else describe(item)
            yield Event(position, at_s, "world", item.kind, words)
            continue
        yield Event(
            position,
            at_s,
            "operation",
            type(item).__name__.lower(),
            describe(item, names),
            str(source) if source is not None else "",
            fates.fates.get(position, "none"),
            fates.durable_at.get(position),
            Payload(item.offset, item.data) if isinstance(item, Write) else None,
        )


def _crash(
    base: DiskImage,
    items: Sequence[Item],
    sources: Sequence[Source | None],
    state: CrashState,
    found: DiskImage,
    fates: Fates,
) -> Crash:
    killed = state.profile == "process"
    words = "process killed" if killed else f"power cut ({state.profile})"
    lacking = [] if killed else missing_operations(base, items, state)
    return Crash(
        words,
        state.profile,
        state.position,
        fates.units if not killed else _landed(state),
        tuple(Lacking(at, text, str(sources[at]) if sources[at] is not None else "") for at, text in lacking),
        file_changes(disk_after(base, items), found),
    )


def _landed(state: CrashState) -> tuple[UnitFate, ...]:
    """What a killed process left of the write that was under way."""
    if state.cut is None:
        return ()
    position, kept = state.cut
    return (UnitFate(position, f"the first {kept:,} bytes of the write that was under way", True),)


def disk_after(base: DiskImage, items: Iterable[Item]) -> DiskImage:
    """What the subject believes to be on the disk after these operations."""
    nodes = dict(base.nodes)
    for item in items:
        apply_to(nodes, item)
    return DiskImage(nodes)


def file_changes(before: DiskImage, after: DiskImage, most_rows: int = MOST_ROWS) -> tuple[FileChange, ...]:
    """Every path of either disk; where a regular file differs, its differing rows."""
    paths = sorted({path for path, _, _ in before.walk()} | {path for path, _, _ in after.walk()})
    return tuple([_change(path, before, after, most_rows) for path in paths])


def _change(path: str, before: DiskImage, after: DiskImage, most_rows: int) -> FileChange:
    old, new = before.lookup(path), after.lookup(path)
    words = node_in_words(old), node_in_words(new)
    if not isinstance(old, File | None) or not isinstance(new, File | None) or old is new:
        return FileChange(path, *words, changed=words[0] != words[1])
    left, right = old.data if old is not None else b"", new.data if new is not None else b""
    rows, left_out = differing_rows(left, right, most_rows)
    changed = left != right or old is None or new is None
    return FileChange(path, *words, changed, first_difference(left, right), rows, left_out)


def node_in_words(node: object) -> str:
    """ "20 bytes", "folder, 3 entries", "-> target", "absent"."""
    match node:
        case Folder(entries=entries):
            return f"folder, {len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
        case SymbolicLink(target=target):
            return f"-> {target}"
        case File() as file:
            return f"{file.size:,} bytes"
        case _:
            return "absent"
