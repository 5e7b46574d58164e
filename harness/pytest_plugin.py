"""The pytest face: options for `crash_test` calls, Scenario classes as tests, failing cases as report sections.

One test a scenario, never a test per state. The plugin imports the harness only when a test uses it.
"""

import re
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.settings import Settings

_SETTINGS: "pytest.StashKey[Settings]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "crash-recovery and fault-injection testing")
    group.addoption(
        "--harness-profile", action="append", metavar="NAME", help="durability profile for crash_test; repeatable"
    )
    group.addoption("--harness-seed", type=int, metavar="N", help="seed for crash_test")
    group.addoption("--harness-budget", type=float, metavar="SECONDS", help="time limit of each crash_test")
    group.addoption("--harness-replay", metavar="FILE", help="replay this saved case in the test it came from")
    parser.addini("harness_profile", "durability profiles for crash_test", type="args", default=[])
    parser.addini("harness_seed", "seed for crash_test", default="0")
    parser.addini("harness_budget", "time limit of each crash_test, in seconds", default="")
    parser.addini("harness_replay", "saved case to replay", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SETTINGS] = _settings(config)


def _settings(config: pytest.Config) -> "Settings":
    from harness.settings import Settings

    seed, budget = config.getoption("harness_seed"), config.getoption("harness_budget")
    try:
        seed = int(config.getini("harness_seed")) if seed is None else seed
        text = str(config.getini("harness_budget"))
        budget = (float(text) if text else None) if budget is None else budget
    except ValueError as error:
        raise pytest.UsageError(f"harness_seed and harness_budget must be numbers: {error}") from None
    profiles = tuple(config.getoption("harness_profile") or config.getini("harness_profile"))
    if profiles:
        from harness.durability.profiles import profile

        for name in profiles:
            try:
                profile(name)
            except ValueError as error:
                raise pytest.UsageError(f"--harness-profile: {error}") from None
    settings = Settings(profiles=profiles, seed=seed, budget_s=budget)
    replayed = config.getoption("harness_replay") or config.getini("harness_replay")
    if replayed:
        _prepare_replay(settings, Path(str(replayed)))
    return settings


def _prepare_replay(settings: "Settings", path: Path) -> None:
    from harness.repro import ReproError, load
    from harness.repro import replay as play_again

    try:
        file = load(path)
    except ReproError as error:
        raise pytest.UsageError(f"--harness-replay: {error}") from None

    def replay(scenario: Any) -> None:
        if _absolute(scenario.reference) != _absolute(file.case.scenario):
            return
        settings.replayed = True
        try:
            result = play_again(file, scenario)
        except ReproError as error:
            pytest.fail(f"--harness-replay: {error}", pytrace=False)
        for warning in result.warnings:
            warnings.warn(warning, stacklevel=1)
        if result.violated or result.played.violations:
            raise AssertionError(f"{result.verdict}: {file.case.summary}\nissued by {file.source}: {file.operation}")

    settings.replay = replay
    settings.replay_of = file.case.scenario


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.stash[_SETTINGS].replay_of
    if not wanted:
        return
    test = _absolute(re.sub(r"#\d+$", "", wanted))
    keep = [item for item in items if _absolute(_reference(item)) == test]
    if not keep:
        raise pytest.UsageError(f"--harness-replay: the case belongs to {wanted}, which was not collected")
    config.hook.pytest_deselected(items=[item for item in items if item not in keep])
    items[:] = keep


def _reference(item: pytest.Item) -> str:
    """`file.py::Class::test[parameter]`, the file as one would type it where pytest was started."""
    try:
        file = item.path.relative_to(item.config.invocation_params.dir)
    except ValueError:
        file = item.path
    return f"{file}::{item.nodeid.partition('::')[2]}"


def _absolute(reference: str) -> tuple[Path, str]:
    file, _, test = reference.partition("::")
    return Path(file).resolve(), test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    from harness.settings import Place, using

    settings = item.config.stash[_SETTINGS]
    # A test with fixtures cannot be called from outside pytest, not even when a fixture only does something to it.
    settings.begin(Place(_reference(item), bool(getattr(item, "fixturenames", ()))))
    with using(settings):
        try:
            result = yield
            if settings.replay is not None and not settings.replayed:
                pytest.fail(f"--harness-replay: {settings.replay_of} was not reached in this test", pytrace=False)
            return result
        finally:
            for report in settings.reports:
                _add_sections(item, report)


def _add_sections(item: pytest.Item, report: Any) -> None:
    from harness.report.failure import lines

    for result in report.results:
        for number, finding in enumerate(result.total.findings, 1):
            title = f"harness {result.profile} finding {number}"
            item.add_report_section("call", title, "\n".join(lines(finding, "")))


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> pytest.Item | None:
    """A Scenario class written in a test module is one test: the gate on it must hold."""
    if not isinstance(obj, type) or obj.__module__ != getattr(collector.obj, "__name__", None):
        return None
    # Asking for the base by name avoids importing the harness for suites that do not use it.
    if not any(base.__module__ == "harness.scenario" and base.__name__ == "Scenario" for base in obj.__mro__[1:]):
        return None
    if name.startswith("_"):
        return None
    item: pytest.Item = ScenarioItem.from_parent(collector, name=name, scenario_class=obj)
    return item


class ScenarioItem(pytest.Item):
    """Runs the gate on one Scenario class."""

    def __init__(self, *, scenario_class: type, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.scenario_class = scenario_class

    def runtest(self) -> None:
        from harness.assertion import explore
        from harness.settings import Place, active

        scenario = self.scenario_class()
        scenario.reference = _reference(self)
        settings = active()
        explore(scenario, settings, settings.place or Place(scenario.reference, False))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, AssertionError | RuntimeError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"scenario {self.name}"
