"""`crash_test`: the gate as an assertion, for any program, in ten lines."""

import dataclasses
import inspect
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from harness.callables import CallableScenario, Recovered, Workload, collected
from harness.durability.profiles import profile as known_profile
from harness.explore.recording import AnyScenario
from harness.gate.gate import Gate
from harness.gate.options import DEFAULT_PROFILES, Options
from harness.gate.outcome import Outcome, Report
from harness.report.failure import lines
from harness.report.mending import mendings
from harness.report.repro_files import save_all
from harness.settings import Place, Settings, active

_started_in: Final = Path.cwd()


def crash_test(
    workload: Workload,
    recovered: Recovered,
    *,
    profile: str | tuple[str, ...] | list[str] | None = None,
    faults: bool | Literal["double"] = True,
    seed: int | None = None,
    budget: float | None = None,
    bound: int = 65_536,
    recovery_depth: int = 1,
) -> None:
    """Explore every death and every failing call of `workload`, and let `recovered` judge what is left.

    `workload(mark)` starts in an empty, durable folder `/data`; `mark(x)`: from here on the world believes x is safe.
    `recovered(marks)` gets what was marked before the death and raises when something is wrong. All kill-points x legal
    crash states of `profile` ("strict" by default; a list for several), then, unless `faults=False`, every call failing
    with every errno that makes sense for it. `budget` is in seconds; `seed` decides names, ids and directory order;
    `recovery_depth` is how many deaths in a row hit recoveries. `faults="double"` lets calls fail during recoveries too,
    and pairs of calls (a bounded number of both).

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
        budget_s=budget,
        bound=bound,
        recovery_depth=recovery_depth,
    )
    place = _place(settings)
    scenario.reference = place.reference
    if collected(scenario):
        return
    number = settings.calls[place.reference] = settings.calls.get(place.reference, 0) + 1
    if number > 1:
        scenario.reference += f"#{number}"
    if budget is not None:
        settings = dataclasses.replace(settings, budget_s=budget)
    explore(scenario, dataclasses.replace(settings, profiles=names, seed=scenario.seed), place, bool(faults), bound)


def explore(scenario: AnyScenario, settings: Settings, place: Place, faults: bool = True, bound: int = 65_536) -> None:
    """Run the gate on `scenario` in this process; raises as `crash_test` does."""
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
        saved = save_all(report, settings.out, place.reference if place.only_pytest else "")
        raise KeyboardInterrupt(f"{len(saved)} findings saved: {', '.join(saved.values())}" if saved else "")
    if report.outcome is not Outcome.HELD:
        mends = mendings(scenario, report) if report.outcome is Outcome.VIOLATION else {}
        _fail(report, settings.out, place, mends)


def _place(settings: Settings) -> Place:
    """The running test: as pytest's plugin knows it, else the nearest test function on the stack."""
    if settings.place is not None:
        return settings.place
    frame = inspect.currentframe()
    frame = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    nearest = frame
    while frame is not None:
        if frame.f_code.co_name.startswith("test_"):
            nearest = frame
            break
        frame = frame.f_back
    if nearest is None:
        return Place("", False)
    code = nearest.f_code
    name = "::".join(code.co_qualname.replace("<locals>.", "").split("."))
    in_pytest = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0].partition("::")[2]
    arguments = code.co_argcount + code.co_kwonlyargcount - ("::" in name)
    return Place(f"{_relative(code.co_filename)}::{in_pytest or name}", arguments > 0)


def _relative(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _fail(report: Report, out: Path, place: Place, mends: Mapping[int, Sequence[str]]) -> None:
    __tracebackhide__ = True
    repros = save_all(report, out, place.reference if place.only_pytest else "")
    problems: list[str] = []
    for result in report.results:
        problems += result.errors
    if problems:
        raise RuntimeError("\n".join(["the subject cannot be tested:", *problems]))
    text: list[str] = []
    for result in report.results:
        for finding in result.total.findings:
            mend = mends.get(id(finding), ())
            command = _command(repros[id(finding)], place)
            active().commands.append(command)
            text += [*lines(finding, command, mend), ""]
        text += [f"inconclusive: {reason}" for reason in result.reasons]
    if report.outcome is Outcome.INCONCLUSIVE:
        raise RuntimeError("\n".join(["nothing is proved:", *text]))
    raise AssertionError("\n".join(text).rstrip())


def _command(repro: str, place: Place) -> str:
    """What to type, in the folder where the tests were started, to see the case again."""
    file = shlex.quote(repro if _started_in == Path.cwd() else str(Path(repro).absolute()))
    if place.only_pytest:
        return f"pytest --harness-replay {file} {shlex.quote(place.reference)}"
    return f"harness replay {file}"
