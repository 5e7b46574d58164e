"""Where a finding points: the file as a link wants it, relative to the folder of the run where that is possible."""

from pathlib import Path
from typing import NamedTuple

from harness.explore.tally import Finding


class Place(NamedTuple):
    """A line of a source file; `relative` to the folder in which the harness was started, or an absolute path."""

    file: str
    line: int
    relative: bool


def place_of(finding: Finding) -> Place | None:
    """None where no line is known: of a random history, or of a program that was seen from outside only."""
    source = finding.place
    if source is None or source.line < 1:
        return None
    path = Path(source.file)
    try:
        return Place(path.resolve().relative_to(Path.cwd()).as_posix(), source.line, True)
    except (OSError, ValueError):
        return Place(path.absolute().as_posix(), source.line, False)
