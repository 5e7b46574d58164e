"""A played case as a timeline: the outside world, the subject, its operations, and the disk before and after."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.durability.missing import missing_operations
from harness.durability.state import CrashState
from harness.explore.history import Segment
from harness.explore.inode_names import names_of
from harness.explore.recording import Recording
from harness.explore.saved_case import Death
from harness.repro import Replay
from harness.statemachine import words
from harness.trace import Item, Mark, Source, describe

TAIL: Final = 30
"""Items shown before a death; earlier ones are counted."""

_WIDTH: Final = 60


def show(console: Console, replay: Replay, whole: bool = False) -> None:
    """Print the timeline of a replay; `whole` shows every item instead of the last ones."""
    case = replay.file.case
    console.print(Text(f"{case.verdict}: {case.summary}", style="bold"))
    console.print(Text(f"{case.guarantee}", style="italic"))
    console.print(
        Text(
            f"scenario {case.scenario} · workload {case.workload} · seed {case.seed} · phase {case.phase}", style="dim"
        )
    )
    if case.plan is not None:
        console.print(Text(f"fault: {case.plan.describe()}", style="yellow"))
    for number, step in enumerate(case.steps, 1):
        console.print(Text(f"step {number}: {words(step)}"))
    for segment in replay.played.segments:
        _segment(console, segment, whole)
    for life, death in zip(replay.played.lives, [*case.deaths, None], strict=False):
        _life(console, life, death, whole)
        if death is not None:
            disk = replay.played.disks[case.deaths.index(death)]
            _death(console, life, death, disk)
    for number, life_after in enumerate(replay.played.recovery):
        title = "restart and settling" if number == 0 else "killed once more, restarted"
        trace = life_after.kernel.trace
        rows = _rows(trace.items, trace.sources, trace.times, life_after.notes, life_after.kernel.image())
        _table(console, title, list(rows), whole)
    for told in replay.played.violations:
        console.print(Text(f"{told.phase}: {told.violation.verdict}: {told.violation.summary}", style="red"))
    if not replay.played.violations:
        console.print(Text("no violation: the case holds now", style="green"))


def _segment(console: Console, segment: Segment, whole: bool) -> None:
    """A stretch of a random history, and the disk that the power cut at its end left."""
    trace = segment.trace
    rows = list(_rows(trace.items, trace.sources, trace.times, segment.notes, segment.base))
    _table(console, "history", rows, whole)
    if segment.found is not None and segment.state is not None:
        _cut(console, segment.base, trace.items, trace.sources, segment.state, segment.found)


Row = tuple[str, str, str, str]


def _rows(
    items: Sequence[Item],
    sources: Sequence[Source | None],
    times: Sequence[float],
    notes: Sequence[tuple[int, str]],
    image: DiskImage,
    first: int = 0,
) -> Iterator[Row]:
    paths = names_of(image, items)
    began = times[first] if first < len(times) else 0.0
    said: dict[int, list[str]] = {}
    for position, text in notes:
        said.setdefault(position, []).append(text)
    for position in range(first, len(items)):
        item = items[position]
        outside = describe(item) if isinstance(item, Mark) else ""
        if isinstance(item, Mark) and item.detail:
            outside += " (" + ", ".join(f"{key}={value}" for key, value in item.detail.items()) + ")"
        operation = "" if isinstance(item, Mark) else describe(item, paths)
        source = sources[position]
        if operation and source is not None:
            operation += f"  [{source}]"
        yield (
            f"{position} +{times[position] - began:.3f}s",
            outside,
            "; ".join(said.get(position, ())),
            operation,
        )


def _life(console: Console, life: Recording, death: Death | None, whole: bool) -> None:
    end = death.position if death is not None else life.end
    rows = list(_rows(life.items[:end], life.sources[:end], life.times[:end], life.notes, life.base, life.began))
    title = "recorded run" if life.began == 0 else "recovery"
    _table(console, title, rows, whole)


def _table(console: Console, title: str, rows: list[Row], whole: bool) -> None:
    shown = rows if whole else rows[-TAIL:]
    table = Table(title=Text(title, style="bold"), title_justify="left", header_style="dim", box=None, pad_edge=False)
    for column in ("item", "outside world", "subject", "operations"):
        table.add_column(column, overflow="fold", max_width=_WIDTH)
    if len(shown) < len(rows):
        table.add_row("…", f"{len(rows) - len(shown)} earlier items: --verbose shows them", "", "")
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _death(console: Console, life: Recording, death: Death, disk: DiskImage) -> None:
    _cut(console, life.base, life.items[: death.position], life.sources, death.state, disk)


def _cut(
    console: Console,
    base: DiskImage,
    items: Sequence[Item],
    sources: Sequence[Source | None],
    state: CrashState,
    disk: DiskImage,
) -> None:
    """A death after all of `items`: what was missing, the disk before and after."""
    kind = "process killed" if state.profile == "process" else f"power cut ({state.profile})"
    console.print(Text(f"— {kind} at kill-point {state.position} —", style="bold red"))
    believed = base
    for item in items:
        believed = believed.apply(item)
    if state.profile != "process":
        for position, missing in missing_operations(base, items, state):
            console.print(Text(f"  not on the disk: item {position}: {missing}  [{sources[position]}]", style="red"))
    table = Table(header_style="dim", box=None, pad_edge=False)
    for column in ("path", "before (page cache)", "after (found)"):
        table.add_column(column, overflow="fold", max_width=_WIDTH)
    for path in sorted({p for p, _, _ in believed.walk()} | {p for p, _, _ in disk.walk()}):
        before, after = _node(believed, path), _node(disk, path)
        style = "" if before == after else "yellow"
        table.add_row(Text(path, style=style), Text(before, style=style), Text(after, style=style))
    console.print(table)
    for path in sorted(p for p, _, node in disk.walk() if isinstance(node, File)):
        _difference(console, path, believed.lookup(path), disk.lookup(path))


def _node(image: DiskImage, path: str) -> str:
    match image.lookup(path):
        case None:
            return "absent"
        case Folder(entries=entries):
            return f"folder, {len(entries)} entries"
        case SymbolicLink(target=target):
            return f"-> {target}"
        case File() as file:
            return f"{file.size} bytes, {file.key & 0xFFFFFFFF:08x}"


def _difference(console: Console, path: str, before: object, after: object) -> None:
    """The first bytes in which a file differs from what the subject believed."""
    if not isinstance(before, File) or not isinstance(after, File) or before.key == after.key:
        return
    old, new = before.data, after.data
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, at - 16)
    console.print(Text(f"  {path} differs from byte {at}:", style="yellow"))
    console.print(Text(f"    before {old[start : at + 32]!r}"))
    console.print(Text(f"    after  {new[start : at + 32]!r}"))
