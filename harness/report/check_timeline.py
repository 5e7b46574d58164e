"""A played case of any program: what it did until it died, what was not on the disk, the disk, and what the checker said."""

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.anyprogram.case_file import CaseFile, Played
from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.durability.missing import missing_operations
from harness.explore.inode_names import names_of
from harness.trace import Mark, describe

TAIL: Final = 30
"""Items, and lines of the checker, that are shown: the last ones."""

_WIDTH: Final = 72


def show_check(console: Console, case: CaseFile, played: Played, whole: bool = False) -> None:
    """Print it; `whole` shows every item and line."""
    run, state = played.run, case.state
    console.print(Text(f"{case.found.verdict}: {case.found.summary}", style="bold"))
    end = min(state.position, run.end)
    first = 0 if whole else max(0, end - TAIL)
    names = names_of(run.base, run.items)
    table = Table(
        title=Text(run.name, style="bold"), title_justify="left", header_style="dim", box=None, pad_edge=False
    )
    for column in ("item", "outside world", "operation", "issued by"):
        table.add_column(column, overflow="fold", max_width=_WIDTH)
    if first:
        table.add_row("…", f"{first} earlier items: --verbose shows them", "", "")
    for position in range(first, end):
        item, source = run.items[position], run.sources[position]
        told = describe(item, names)
        table.add_row(
            str(position),
            Text(told if isinstance(item, Mark) else ""),
            Text("" if isinstance(item, Mark) else told),
            Text(str(source) if source is not None else ""),
        )
    console.print(table)
    kind = "process killed" if state.profile == "process" else f"power cut ({state.profile})"
    console.print(Text(f"— {kind} at kill-point {state.position} —", style="bold red"))
    for position, words in missing_operations(run.base, run.items, state) if state.profile != "process" else ():
        console.print(Text(f"  not on the disk: item {position}: {words}  [{run.sources[position]}]", style="red"))
    if state.profile == "process" and state.cut is not None:
        console.print(Text(f"  only {state.cut[1]} bytes of: {describe(run.items[state.cut[0]], names)}", style="red"))
    console.print(_disks(run.disk_at(end), played.image))
    lines = played.answer.output.splitlines()
    for line in lines if whole else lines[-TAIL:]:
        console.print(Text(f"  checker: {line}"), soft_wrap=True)


def _disks(before: DiskImage, after: DiskImage) -> Table:
    table = Table(header_style="dim", box=None, pad_edge=False)
    for column in ("path", "before (page cache)", "after (found)"):
        table.add_column(column, overflow="fold", max_width=_WIDTH)
    for path in sorted({path for image in (before, after) for path, _, _ in image.walk()}):
        old, new = _node(before, path), _node(after, path)
        table.add_row(*(Text(cell, style="" if old == new else "yellow") for cell in (path, old, new)))
    return table


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
