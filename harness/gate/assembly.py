"""From finished chunks to results: the same for a run in one go, one that was resumed, and one that was split.

Chunks are joined in the order in which the run lists them, not in that in which they were done: which of two equal
findings is shown must not depend on which worker was faster.
"""

import collections
from collections.abc import Iterable, Mapping

import msgspec

from harness.durability.profiles import profile as profile_of
from harness.explore.saved_case import SavedCase
from harness.explore.tally import Tally
from harness.gate.options import ANY_VERDICT, ends
from harness.gate.outcome import ScenarioResult
from harness.gate.part import Opening, Part, Piece
from harness.gate.run_key import RunKey
from harness.gate.task import Task


class Unfinished(msgspec.Struct, frozen=True):
    """Why a result is not that of the whole run: `reason` with the number of pieces left, `remarks` without.

    A result that is only a part (`partial`) misses probes without being blamed for it.
    """

    reason: str = "the run ended before the floor"
    remarks: tuple[str, ...] = ()
    partial: bool = False


def assemble(part: Part, expected: Iterable[Task], unfinished: Unfinished) -> list[ScenarioResult]:
    """One result a profile. `expected` are the chunks that had to be done."""
    opening, key = part.opening, part.key
    pieces: dict[Task, Piece] = {}
    for piece in part.pieces:
        if piece.task not in pieces or piece.finished:
            pieces[piece.task] = piece
    results = {name: _begun(opening, name) for name in key.profiles}
    first = next(iter(results.values()))
    first.errors += opening.differing
    planned = [*opening.floor, *opening.histories]
    known = set(planned)
    for task in [*planned, *sorted((task for task in pieces if task not in known), key=_place)]:
        if task in pieces:
            _join(results, pieces[task])
    left: collections.Counter[str] = collections.Counter()
    for task in expected:
        done = pieces.get(task)
        if done is None or not (done.finished or done.error):
            left.update(task.profile.split("+"))
    met = {name: count for result in results.values() for name, count in result.total.probes.items() if count}
    for result in results.values():
        result.wall_s = part.wall_s
        for name in result.missed:
            # What only one profile can show counts for the run: a probe asks whether the rare thing was seen at all.
            if name in met:
                result.total.probes[name] = met[name]
        if left[result.profile]:
            _not_exhaustive(result)
            if not result.errors and not stopped(key, results):
                result.reasons.append(f"{unfinished.reason}: {left[result.profile]} pieces of work left")
        if opening.remark:
            _not_exhaustive(result)
            result.reasons.append(opening.remark)
        result.reasons += unfinished.remarks
        if not unfinished.partial:
            result.reasons += [f"probe never hit: {name}" for name in result.missed]
    return list(results.values())


def stopped(key: RunKey, results: Mapping[str, ScenarioResult]) -> bool:
    """Whether what this run was to stop at has been found."""
    if key.stop_at == ANY_VERDICT and any(result.errors for result in results.values()):
        return True
    return ends(key.stop_at, (f.verdict for result in results.values() for f in result.total.findings))


def share_of(tally: Tally, task: Task, profile: str) -> Tally:
    """What a chunk says about one profile: a chunk of faults is swept under all, its deaths under one each."""
    if task.kind in ("faults", "pairs") and "+" in task.profile:
        return msgspec.structs.replace(tally, findings=[f for f in tally.findings if _found_under(f.case, profile)])
    return tally


def _found_under(case: SavedCase, name: str) -> bool:
    """Is a case of the fault sweep one of this profile: the disk of its death, or what its failed syncs left?"""
    if case.deaths or case.plan is None:
        return not case.deaths or case.profile == name
    return all(fault.cache in ("drop-clean", profile_of(name).failed_sync) for fault in case.plan.faults)


def _begun(opening: Opening, profile: str) -> ScenarioResult:
    result = ScenarioResult(opening.name, profile, probes=opening.probes)
    result.errors += opening.errors
    result.reasons += opening.idle
    for finding in opening.clean.findings:
        result.total.note(finding)
    result.total.probes.update(opening.clean.probes)
    for workload, operations in opening.operations.items():
        result.workloads[workload] = Tally(operations=operations)
    return result


def _join(results: Mapping[str, ScenarioResult], piece: Piece) -> None:
    task = piece.task
    for name in task.profile.split("+"):
        result = results[name]
        if piece.tally is None:
            what = f"histories on {task.workload}" if task.kind == "histories" else task.workload
            result.errors.append(f"{what}: {piece.error}")
            continue
        if task.kind == "crash":
            result.workloads[task.workload].add(piece.tally)
        result.total.add(share_of(piece.tally, task, name))


def _not_exhaustive(result: ScenarioResult) -> None:
    result.total.exhaustive = False
    for tally in result.workloads.values():
        tally.exhaustive = False


def _place(task: Task) -> tuple[int, str, str]:
    """Further rounds of random histories follow the planned ones."""
    return (task.part, task.workload, task.profile)
