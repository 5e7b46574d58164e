"""Known findings: a project adopts the gate today and mends what is known later.

An entry names a cause without line numbers (`cause.cause_key`), so it stays good when code above it moves. A finding
that is in the file does not fail the run; a new one does; an entry that a whole run no longer sees is reported for
removal. A person may write in `why`; the rest is written by `--update-baseline`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from harness.explore.tally import Finding
from harness.gate.outcome import Report
from harness.report.cause import cause_key, code_line, source_file

FORMAT: Final = "crash-harness baseline"
SCHEMA: Final = 1
LARGEST: Final = 10_000_000
"""Bytes of a file that is still read."""


class BaselineError(Exception):
    """The file is no baseline that this version can read; one sentence."""


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cause that is known. `cause` decides; the others say to a reader what it is, `profiles` what shows it."""

    cause: str
    scenario: str
    profiles: tuple[str, ...]
    verdict: str
    guarantee: str
    file: str
    code: str
    why: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """The file."""

    format: str
    schema: int
    known: tuple[Known, ...] = ()


def load(path: Path) -> Baseline:
    """Raises BaselineError, and OSError where it cannot be read."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise BaselineError(f"{path} has more than {LARGEST:,} bytes")
    try:
        found = msgspec.json.decode(data, type=Baseline)
    except msgspec.MsgspecError as error:
        raise BaselineError(f"{path} is no baseline: {error}") from None
    if found.format != FORMAT or found.schema != SCHEMA:
        raise BaselineError(
            f"{path} says {found.format!r}, schema {found.schema}; this version reads {FORMAT!r}, schema {SCHEMA}"
        )
    return found


def dump(baseline: Baseline) -> str:
    """As it is written to the file: an entry after the other, indented, in a fixed order."""
    ordered = sorted(baseline.known, key=lambda one: (one.scenario, one.verdict, one.guarantee, one.file, one.code))
    raw = msgspec.json.encode(msgspec.structs.replace(baseline, known=tuple(ordered)))
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def set_aside(report: Report, baseline: Baseline) -> list[Known]:
    """Move the known findings of `report` from `findings` to `known`, in place; the entries that a whole run did not see."""
    by_cause = {one.cause: one for one in baseline.known}
    seen: set[str] = set()
    for result in report.results:
        new: list[Finding] = []
        for finding in result.total.findings:
            cause = cause_key(result.name, finding)
            seen.add(cause)
            if cause in by_cause:
                result.known.append(finding)
            else:
                new.append(finding)
        result.total.findings = new
    whole = _wholly_run(report)
    return [one for one in baseline.known if one.cause not in seen and _looked_for(one, whole)]


def updated(report: Report, before: Baseline | None) -> Baseline:
    """Everything that `report` found; what it cannot have seen stays, and so does what people wrote."""
    told = {one.cause: one for one in (before.known if before is not None else ())}
    whole = _wholly_run(report)
    known = {cause: one for cause, one in told.items() if not _looked_for(one, whole)}
    for one in _seen(report):
        same = known.get(one.cause)
        profiles = (*same.profiles, *one.profiles) if same is not None else one.profiles
        why = told[one.cause].why if one.cause in told else ""
        known[one.cause] = msgspec.structs.replace(one, profiles=tuple(sorted(set(profiles))), why=why)
    return Baseline(FORMAT, SCHEMA, tuple(known.values()))


def _seen(report: Report) -> Iterable[Known]:
    for result in report.results:
        for finding in [*result.known, *result.total.findings]:
            cause, file, code = cause_key(result.name, finding), source_file(finding), code_line(finding)
            yield Known(cause, result.name, (result.profile,), finding.verdict, finding.guarantee, file, code)


def _looked_for(known: Known, whole: set[tuple[str, str]]) -> bool:
    return all((known.scenario, profile) in whole for profile in known.profiles)


def _wholly_run(report: Report) -> set[tuple[str, str]]:
    """Scenarios and profiles of which every part was done: only there can be said that something is gone."""
    if report.interrupted or report.shard is not None:
        return set()
    return {(one.name, one.profile) for one in report.results if not one.errors and not one.reasons}
