"""The result of `harness bugs`: the table a person reads and the JSON of DESIGN, section 5."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.gate.hunt import Caught
from harness.report.repro_files import save_one


def bug_table(results: Sequence[Caught]) -> Table:
    """One row a bug, in the order of the catalogue: its groups, and in each group its numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column, justify in (
        ("", "right"),
        ("bug", "left"),
        ("expected", "left"),
        ("caught by", "left"),
        ("s", "right"),
        ("steps", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]  # rich's literal type
    group = None
    for result in in_catalogue_order(results):
        if result.group != group:
            group = result.group
            table.add_row("", Text(group, style="bold"))
        seen = Text(result.verdict, style="green") if result.caught else Text(f"MISSED ({result.verdict})", style="red")
        number = Text(str(result.number or ""), style="dim")
        table.add_row(number, result.id, result.expected, seen, f"{result.wall_s:.2f}", str(result.repro_steps))
        if result.error:
            table.add_row("", Text(f"  {result.error}", style="magenta"))
    return table


def in_catalogue_order(results: Sequence[Caught]) -> list[Caught]:
    """Groups by the lowest number in them, then by number; what has none stands at the end, by id."""
    groups: dict[str, tuple[int, str]] = {}
    for result in results:
        groups[result.group] = min(result.place, groups.get(result.group, result.place))
    return sorted(results, key=lambda result: (groups[result.group], result.place))


def bug_document(results: Sequence[Caught], out: Path) -> dict[str, Any]:
    """The JSON document; writes the repro of each finding that caught its bug."""
    return {
        "schema": 1,
        "bugs": [
            {
                "id": result.id,
                "group": result.group,
                "number": result.number,
                "source": result.source,
                "expected": result.expected,
                "caught": result.caught,
                "verdict": result.verdict,
                "findings": list(result.findings),
                "repro": save_one(result.finding, out) if result.finding is not None else "",
                "repro_steps": result.repro_steps,
                "facets": {name: save_one(one, out) if one is not None else "" for name, one in result.facets},
                "wall_s": round(result.wall_s, 3),
                "error": result.error,
            }
            for result in in_catalogue_order(results)
        ],
    }
