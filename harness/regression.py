"""One bug that was found once, as a test that stays: what `harness replay FILE --pytest OUT.py` writes calls this.

Kill-points and disks of a saved case belong to the code of that day. The test keeps what outlives it: the workload, the
profile, the verdict. It sweeps all deaths (or all failing calls) of that workload, or plays the steps of a history, and
fails where the verdict shows.
"""

from collections.abc import Sequence
from typing import Any, Final

from harness.durability.profiles import profile as known_profile
from harness.explore.finding import Discovery, report
from harness.explore.judging import judge_alive
from harness.explore.life import session
from harness.explore.play import CaseMismatch, play
from harness.explore.recording import AnyScenario, record
from harness.explore.saved_case import SavedCase, Step
from harness.explore.tally import Finding, Tally
from harness.gate.task import Task, Workshop
from harness.report.failure import lines
from harness.report.repro_files import save_one
from harness.settings import active
from harness.subjects import find_one

KINDS: Final = ("deaths", "faults", "living", "history")


class RegressionError(RuntimeError):
    """The test can say nothing: the subject cannot be run, or does not know a step any more."""


def step(do: str, **arguments: Any) -> Step:
    """One step of a random history, as `regression_test(steps=[…])` takes it."""
    return Step(do, arguments)


def regression_test(
    scenario: str | AnyScenario,
    *,
    verdict: str,
    workload: str = "workload",
    profile: str = "strict",
    kind: str = "deaths",
    seed: int = 0,
    steps: Sequence[Step] = (),
) -> None:
    """Demand that `verdict` does not show.

    `scenario` is a name of `harness list`, `file.py::test_name`, or a Scenario. `kind` is what is tried: "deaths" (every
    crash state of the workload under `profile`, and deaths while recovering), "faults" (every call of it fails once, and
    for good), "living" (nobody dies: the workload alone), "history" (exactly `steps`).

    Raises AssertionError with the case and the command that replays it; RegressionError where nothing can be said;
    ValueError for a workload, profile or kind that does not exist.
    """
    __tracebackhide__ = True
    subject = find_one(scenario) if isinstance(scenario, str) else scenario
    known_profile(profile)
    known = [*subject.workloads(), *subject.rehearsals()]
    if workload not in known:
        raise ValueError(f"no workload {workload!r} in {subject.reference or subject.name}: it has {', '.join(known)}")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    with session():
        if kind == "history":
            findings = _history(subject, workload, profile, seed, tuple(steps), verdict)
        elif kind == "living":
            findings = _living(subject, workload, seed)
        else:
            findings = _sweep(subject, workload, profile, seed, kind, verdict)
    shown = [finding for finding in findings if finding.verdict == verdict]
    if shown:
        repro = save_one(shown[0], active().out)
        raise AssertionError("\n".join(lines(shown[0], f"harness replay {repro}")))


def _sweep(scenario: AnyScenario, workload: str, profile: str, seed: int, kind: str, verdict: str) -> list[Finding]:
    workshop = Workshop({scenario.reference: scenario})
    _demand_sound(workshop.recording(scenario.reference, workload, seed).failure)
    task = Task("crash" if kind == "deaths" else "faults", scenario.reference, workload, profile, seed, stop_at=verdict)
    return workshop.perform(task).findings


def _living(scenario: AnyScenario, workload: str, seed: int) -> list[Finding]:
    recording = record(scenario, workload, seed)
    _demand_sound(recording.failure)
    tally = Tally()
    for told in judge_alive(Workshop({scenario.reference: scenario}).contract(scenario.reference), recording):
        report(tally, Discovery(recording, (), told), again=None)
    return tally.findings


def _history(
    scenario: AnyScenario, workload: str, profile: str, seed: int, steps: tuple[Step, ...], verdict: str
) -> list[Finding]:
    from harness.statemachine import HistoryFails, finding_of  # Hypothesis: the other kinds need none

    case = SavedCase(scenario.reference, workload, seed, profile, verdict, "", "", "", steps=steps)
    try:
        played = play(scenario, case)
    except CaseMismatch as error:
        raise RegressionError(f"the history cannot be played any more: {error}") from None
    failures = [HistoryFails(told, steps) for told in played.violations]
    return [finding_of(scenario, workload, profile, seed, failure) for failure in failures]


def _demand_sound(failure: str | None) -> None:
    if failure is not None:
        raise RegressionError(f"without any fault or death, {failure}")
