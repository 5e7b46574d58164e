"""What the plugin shows and costs: markers, the summary, what is collected, where cases go, the price of having it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import subject_files

pytest_plugins = ["pytester"]

MARKED = (
    subject_files.HEAD
    + """
import pytest

@pytest.mark.harness(profile="process", seed=3)
def test_marked(): crash_test(bad, recovered, faults=False)

class TestOfAClass:
    pytestmark = pytest.mark.harness(profile=["process"])
    def test_method(self): crash_test(bad, recovered, faults=False)

def test_plain(): crash_test(bad, recovered, faults=False)

def test_ordinary(): pass
"""
)

ORDINARY = """
import sys
import pytest

@pytest.mark.parametrize("n", range(100))
def test_ordinary(n): pass

def test_nothing_of_the_harness_is_here():
    ours = {name for name in sys.modules if name.partition(".")[0] == "harness"}
    assert ours == {"harness", "harness.pytest_plugin", "harness.settings"}
    assert not {"msgspec", "hypothesis", "pyfakefs", "freezegun", "rich", "click", "xxhash", "jinja2"} & set(sys.modules)
"""

COSTS_AT_MOST_US = 20_000


@pytest.fixture
def suite(pytester):
    """A folder with one test file, and what pytest, in this process, says of it."""

    def make(source, *options):
        pytester.makepyfile(test_subject=source)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)

    return make


@pytest.fixture
def suite_alone(pytester):
    """The same in a process of its own."""

    def make(source, *options):
        pytester.makepyfile(test_subject=source)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)

    return make


def test_markers_set_defaults_and_the_command_line_is_stronger(suite, pytester):
    result = suite(MARKED, "--strict-markers", "--strict-config")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*FAILED test_subject.py::test_plain*"])
    pytester.runpytest_inprocess("--harness-profile", "strict").assert_outcomes(passed=1, failed=3)


def test_tests_that_try_crash_states_are_chosen_by_the_marker(suite, pytester):
    assert suite(MARKED, "-m", "not harness").parseoutcomes() == {"passed": 1, "deselected": 3}
    pytester.makepyfile(test_subject=subject_files.SCENARIO + "\ndef test_ordinary(): pass\n")
    result = pytester.runpytest_inprocess("-m", "harness", "--harness-profile", "process")
    assert result.parseoutcomes() == {"passed": 1, "deselected": 1}


@pytest.mark.parametrize(
    "marker, says",
    [
        ("harness(profil='ext4')", "takes profile=, seed= and budget=, not profil="),
        ("harness('ext4')", "not 'ext4'"),
        ("harness(profile='zfs')", "zfs"),
    ],
)
def test_a_marker_that_says_something_else_fails_its_test(suite, marker, says):
    source = subject_files.HEAD + f"import pytest\n@pytest.mark.{marker}\ndef test_it(): crash_test(good, recovered)\n"
    result = suite(source)
    result.assert_outcomes(failed=1)
    assert says in result.stdout.str() and "INTERNALERROR" not in result.stdout.str()


def test_a_scenario_class_takes_markers(suite):
    skipped = "import pytest\n" + subject_files.SCENARIO.replace(
        "class Notes", "@pytest.mark.skip(reason='later')\nclass Notes"
    )
    result = suite(skipped, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*later*"])


def test_what_is_collected_is_listed_and_nothing_of_it_runs(suite, pytester):
    result = suite(subject_files.SCENARIO + "\ndef test_bad(): crash_test(bad, recovered)\n", "--collect-only", "-q")
    assert result.outlines[:2] == ["test_subject.py::Notes", "test_subject.py::test_bad"]
    assert "= crash-harness =" not in result.stdout.str() and not (pytester.path / ".harness").exists()


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_summary_tells_how_much_was_tried_and_how_to_replay(suite_alone, pytester, options):
    result = suite_alone(subject_files.LOSES + "\ndef test_good(): crash_test(good, recovered)\n", *options)
    result.assert_outcomes(passed=1, failed=1)
    told = result.stdout.str().partition("= crash-harness =")[2]
    found = re.search(r"2 tests tried (\d+) crash states and (\d+) failing calls: 1 finding\nreplay  (.*)", told)
    assert found and int(found[1]) > 5 and int(found[2]) > 5
    command = found[3].split()
    assert command[:2] == ["harness", "replay"] and (pytester.path / command[2]).is_file()


def test_the_summary_is_silent_where_nothing_was_tried(suite):
    assert "= crash-harness =" not in suite("def test_it(): pass").stdout.str()


def test_junit_files_have_the_numbers(suite, pytester):
    suite(subject_files.HOLDS, "--junitxml", "out.xml")
    text = (pytester.path / "out.xml").read_text()
    assert re.search(r'<property name="harness_crash_states" value="\d+" ?/>', text)


def test_cases_go_where_they_are_asked_to(suite, pytester):
    suite(subject_files.LOSES, "--harness-out", "cases")
    assert list((pytester.path / "cases").glob("*.repro.json")) and not (pytester.path / ".harness").exists()
    pytester.makeini("[pytest]\nharness_out = others\n")
    pytester.runpytest_inprocess()
    assert list((pytester.path / "others").glob("*.repro.json"))


def test_the_header_says_what_was_asked_for(suite):
    result = suite(subject_files.HOLDS, "--harness-profile", "ext4", "--harness-seed", "7", "--harness-budget", "30")
    result.stdout.fnmatch_lines(["harness: profiles ext4, seed 7, budget 30 s"])


def test_a_case_of_a_marked_test_is_replayed(suite, pytester):
    marked = subject_files.HEAD + (
        "import pytest\n@pytest.mark.harness(profile='ext4')\ndef test_it(tmp_path): crash_test(bad, recovered, faults=False)\n"
    )
    suite(marked).assert_outcomes(failed=1)
    (case,) = (pytester.path / ".harness").glob("*.repro.json")
    result = pytester.runpytest_inprocess("--harness-replay", str(case))
    result.assert_outcomes(failed=1)
    assert "was not reached" not in result.stdout.str() and "lost ['1']" in result.stdout.str()


def test_a_suite_of_ordinary_tests_imports_two_small_files(suite_alone):
    others = [
        option
        for name in ("xdist", "benchmark", "hypothesispytest", "anyio", "fakefs")
        for option in ("-p", f"no:{name}")
    ]
    suite_alone(ORDINARY, *others).assert_outcomes(passed=101)


def test_the_import_costs_less_than_it_may():
    """Least of three: what pytest has imported already is not counted, the noise of the machine is."""
    code = "import pytest\nimport harness.pytest_plugin, harness.settings"
    costs = []
    for _ in range(3):
        command = [sys.executable, "-X", "importtime", "-c", code]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stderr
        lines = [line.split("|") for line in told.splitlines() if line.startswith("import time:")]
        names = [name.strip() for _, _, name in lines[1:]]
        pytest_ends = names.index("pytest")
        costs.append(sum(int(own.removeprefix("import time:")) for own, _, _ in lines[1:][pytest_ends + 1 :]))
    assert min(costs) < COSTS_AT_MOST_US, costs
