"""Findings played once more, so that a page or a bundle can show what happened; within a time, and never fatally."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from harness.clock import machine_seconds
from harness.explore.life import WorldEscape
from harness.explore.tally import Finding
from harness.repro import REPRO_SCHEMA, Replay, ReproError, ReproFile, replay

TELLING_S: Final = 20.0
"""Seconds for the replays of all findings of a run; one costs less than a tenth of a second as a rule."""


class Telling(msgspec.Struct, frozen=True):
    """A finding and its replay; or None, and `why_not` in a sentence."""

    finding: Finding
    file: ReproFile
    replay: Replay | None
    why_not: str = ""


def tellings(findings: Iterable[Finding], within_s: float = TELLING_S) -> Iterator[Telling]:
    """Each finding in order, replayed as long as the time lasts. The replay under way is not cut short."""
    until = machine_seconds() + within_s
    for finding in findings:
        file = ReproFile(
            "crash-harness repro", REPRO_SCHEMA, finding.case, finding.operation, finding.source, finding.profiles
        )
        if machine_seconds() > until:
            yield Telling(finding, file, None, f"not played again: the {within_s:g} s for replays were over")
            continue
        try:
            yield Telling(finding, file, replay(file))
        except (ReproError, WorldEscape) as error:
            yield Telling(finding, file, None, f"not played again: {error}")
        except Exception as error:  # a run that has found something ends with its result, whatever a replay does
            yield Telling(finding, file, None, f"not played again: {type(error).__name__}: {error}")
