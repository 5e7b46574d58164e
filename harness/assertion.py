"""`crash_test`: the gate as an assertion, for any program, in ten lines."""

import inspect
import os
from pathlib import Path

import msgspec

from harness.callables import CallableScenario, Recovered, Workload, collected
from harness.durability.profiles import profile as known_profile
from harness.explore.recording import AnyScenario
from harness.gate.gate import Gate
from harness.gate.options import DEFAULT_PROFILES, Options
from harness.gate.outcome import Outcome, Report
from harness.report.failure import lines
from harness.report.repro_files import save_all
from harness.settings import Settings, active


def crash_test(
    workload: Workload,
    recovered: Recovered,
    *,
    profile: str | tuple[str, ...] | list[str] | None = None,
    faults: bool = True,
    seed: int | None = None,
    budget: float | None = None,
    bound: int = 65_536,
) -> None:
    """Explore every death and every failing call of `workload`, and let `recovered` judge what is left.

    `workload(mark)` starts in an empty, durable folder `/data`; `mark(x)`: from here on the world believes x is safe.
    `recovered(marks)` gets what was marked before the death and raises when something is wrong. All kill-points x legal
    crash states of `profile` ("strict" by default; a list for several), then, unless `faults=False`, every call failing
    with every errno that makes sense for it. `budget` is in seconds; `seed` decides names, ids and directory order.

    Raises AssertionError for a violation, with the case and the command that replays it; RuntimeError when the subject
    raises in a clean run, does no I/O or is not deterministic: that is never "held".
    """
    __tracebackhide__ = True  # pytest: the reader's own lines count
    settings = active()
    names = (profile,) if isinstance(profile, str) else tuple(profile or settings.profiles or ("strict",))
    for name in names:
        known_profile(name)
    scenario = CallableScenario(
        workload,
        recovered,
        name=getattr(workload, "__qualname__", "workload"),
        profiles=names,
        seed=settings.seed if seed is None else seed,
        faults=faults,
    )
    scenario.reference, test = _caller()
    if collected(scenario):
        return
    if budget is not None:
        settings = msgspec.structs.replace(settings, budget_s=budget)
    explore(scenario, msgspec.structs.replace(settings, profiles=names, seed=scenario.seed), test, faults, bound)


def explore(scenario: AnyScenario, settings: Settings, test: str, faults: bool = True, bound: int = 65_536) -> None:
    """Run the gate on `scenario` in this process; raises as `crash_test` does."""
    __tracebackhide__ = True
    if settings.replay is not None:
        settings.replay(scenario)
        return
    options = Options(
        profiles=settings.profiles or DEFAULT_PROFILES,
        seed=settings.seed,
        budget_s=settings.budget_s,
        jobs=1,
        faults=faults,
        bound=bound,
    )
    report = Gate([scenario], options, local=True).run()
    settings.reports.append(report)
    if report.interrupted:
        raise KeyboardInterrupt
    if report.outcome is not Outcome.HELD:
        _fail(report, settings.out, test)


def _caller() -> tuple[str, str]:
    """`file.py::test` of the nearest test function on the stack, and pytest's node id where there is one."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    frame = inspect.currentframe()
    frame = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    nearest = frame
    while frame is not None:
        if frame.f_code.co_name.startswith("test_"):
            nearest = frame
            break
        frame = frame.f_back
    if nearest is None:
        return "", test
    return f"{_relative(nearest.f_code.co_filename)}::{nearest.f_code.co_name}", test


def _relative(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _fail(report: Report, out: Path, test: str) -> None:
    __tracebackhide__ = True
    repros = save_all(report, out, test)
    problems: list[str] = []
    for result in report.results:
        problems += result.errors
    if problems:
        raise RuntimeError("\n".join(["the subject cannot be tested:", *problems]))
    text: list[str] = []
    for result in report.results:
        for finding in result.total.findings:
            text += [*lines(finding, repros.get(id(finding), "")), ""]
        text += [f"inconclusive: {reason}" for reason in result.reasons]
    if report.outcome is Outcome.INCONCLUSIVE:
        raise RuntimeError("\n".join(["nothing is proved:", *text]))
    raise AssertionError("\n".join(text).rstrip())
