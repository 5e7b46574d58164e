"""The pytest face: options for `crash_test` calls, Scenario classes as tests, failing cases as report sections.

One test a scenario, never a test per state. The plugin imports the harness only when a test uses it: what it costs a suite
that does not is this file and `harness.settings`.

Marker `harness`: put on every test that calls `crash_test` or `regression_test` by name and on every Scenario, so that
`-m harness` and `-m "not harness"` choose; put by hand, with `profile`, `seed` or `budget`, it says what these default to. The
command line is stronger than the marker, the marker is stronger than the ini file; arguments of the call win.
"""

import dataclasses
import inspect
import re
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.settings import Settings

_SETTINGS: "pytest.StashKey[Settings]" = pytest.StashKey()

_MARKER = "harness(profile, seed, budget): tries every crash state (put by itself on tests that call crash_test)"
_CALLS = frozenset({"crash_test", "regression_test"})


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "crash-recovery and fault-injection testing")
    group.addoption(
        "--harness-profile", action="append", metavar="NAME", help="durability profile for crash_test; repeatable"
    )
    group.addoption("--harness-seed", type=int, metavar="N", help="seed for crash_test")
    group.addoption("--harness-budget", type=float, metavar="SECONDS", help="time limit of each crash_test")
    group.addoption("--harness-replay", metavar="FILE", help="replay this saved case in the test it came from")
    group.addoption("--harness-out", metavar="DIR", help="folder for saved cases (.harness)")
    parser.addini("harness_profile", "durability profiles for crash_test", type="args", default=[])
    parser.addini("harness_seed", "seed for crash_test", default="0")
    parser.addini("harness_budget", "time limit of each crash_test, in seconds", default="")
    parser.addini("harness_replay", "saved case to replay", default="")
    parser.addini("harness_out", "folder for saved cases", default=".harness")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    config.stash[_SETTINGS] = _settings(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """What was asked for, if anything was."""
    settings = config.stash[_SETTINGS]
    asked = [f"profiles {', '.join(settings.profiles)}"] if settings.profiles else []
    asked += [f"seed {settings.seed}"] if settings.seed else []
    asked += [f"budget {settings.budget_s:g} s"] if settings.budget_s is not None else []
    asked += [f"replay of {settings.replay_of}"] if settings.replay_of else []
    return f"harness: {', '.join(asked)}" if asked else None


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
    try:
        _demand_profiles(profiles)
    except ValueError as error:
        raise pytest.UsageError(f"--harness-profile: {error}") from None
    out = Path(config.getoption("harness_out") or config.getini("harness_out"))
    settings = Settings(profiles=profiles, seed=seed, budget_s=budget, out=out)
    replayed = config.getoption("harness_replay") or config.getini("harness_replay")
    if replayed:
        _prepare_replay(settings, Path(str(replayed)))
    return settings


def _demand_profiles(names: tuple[str, ...]) -> None:
    """ValueError for one that does not exist; without any, nothing is imported."""
    if names:
        from harness.durability.profiles import profile

        for name in names:
            profile(name)


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


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("harness") is None and (isinstance(item, ScenarioItem) or _calls_by_name(item)):
        item.add_marker("harness")


def _calls_by_name(item: pytest.Item) -> bool:
    function = getattr(item, "function", None)
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return code is not None and not _CALLS.isdisjoint(code.co_names)


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

    asked = item.config.stash[_SETTINGS]
    # A test with fixtures cannot be called from outside pytest, not even when a fixture only does something to it.
    asked.begin(Place(_reference(item), bool(getattr(item, "fixturenames", ()))))
    settings = _marked(item, asked)
    with using(settings):
        try:
            result = yield
            if asked.replay is not None and not asked.replayed:
                pytest.fail(f"--harness-replay: {asked.replay_of} was not reached in this test", pytrace=False)
            return result
        finally:
            for report in settings.reports:
                _add_sections(item, report)
                _add_properties(item, report)
            item.user_properties += [("harness_replay", command) for command in settings.commands]


def _marked(item: pytest.Item, settings: "Settings") -> "Settings":
    """The settings of this test: what its markers say, where the command line says nothing."""
    said: dict[str, Any] = {}
    for marker in item.iter_markers("harness"):
        said = {**marker.kwargs, **said}
        if marker.args:
            pytest.fail(
                f"@pytest.mark.harness takes profile=, seed= and budget=, not {marker.args[0]!r}", pytrace=False
            )
    unknown = sorted(set(said) - {"profile", "seed", "budget"})
    if unknown:
        pytest.fail(f"@pytest.mark.harness takes profile=, seed= and budget=, not {', '.join(unknown)}=", pytrace=False)
    asked = {name for name in said if item.config.getoption(f"harness_{name}") is None}
    if "profile" in asked:
        names = (said["profile"],) if isinstance(said["profile"], str) else tuple(said["profile"])
        try:
            _demand_profiles(names)
        except ValueError as error:
            pytest.fail(f"@pytest.mark.harness(profile=…): {error}", pytrace=False)
        settings = dataclasses.replace(settings, profiles=names)
    if "seed" in asked:
        settings = dataclasses.replace(settings, seed=said["seed"])
    if "budget" in asked:
        settings = dataclasses.replace(settings, budget_s=said["budget"])
    return settings


def _add_properties(item: pytest.Item, report: Any) -> None:
    """Numbers for the summary: properties reach it from the processes of xdist too, and JUnit files show them."""
    totals = [result.total for result in report.results]
    item.user_properties += [
        ("harness_crash_states", sum(total.checked for total in totals)),
        ("harness_failing_calls", sum(total.faults_fired for total in totals)),
        ("harness_findings", sum(len(total.findings) for total in totals)),
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was tried, and the commands that replay what was found; silent where no test tried anything."""
    tests = states = calls = findings = 0
    commands: list[str] = []
    everything = (report for group in terminalreporter.stats.values() for report in group)
    for report in (one for one in everything if isinstance(one, pytest.TestReport) and one.when == "call"):
        told: list[tuple[str, Any]] = list(report.user_properties)  # any value: plain ones, and of others
        tests += any(name == "harness_crash_states" for name, _ in told)
        states += sum(value for name, value in told if name == "harness_crash_states")
        calls += sum(value for name, value in told if name == "harness_failing_calls")
        if report.failed:  # a test that expects a finding, and gets it, has nothing to tell
            findings += sum(value for name, value in told if name == "harness_findings")
            commands += [value for name, value in told if name == "harness_replay"]
    if not tests:
        return
    terminalreporter.section("crash-harness")
    terminalreporter.write_line(
        f"{tests} {'test' if tests == 1 else 'tests'} tried {states:,} crash states and {calls:,} failing calls: "
        f"{findings or 'no'} {'finding' if findings == 1 else 'findings'}"
    )
    for command in dict.fromkeys(commands):
        terminalreporter.write_line(f"replay  {command}")


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
        self.own_markers += [
            mark for mark in getattr(scenario_class, "pytestmark", ()) if isinstance(mark, pytest.Mark)
        ]
        self.keywords.update({mark.name: mark for mark in self.own_markers})

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

    def reportinfo(self) -> tuple[Path, int, str]:
        try:
            line = inspect.getsourcelines(self.scenario_class)[1] - 1
        except (OSError, TypeError):
            line = 0  # pytest demands one of a test that is skipped
        return self.path, line, f"scenario {self.name}"
