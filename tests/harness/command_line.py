"""The command line as tests use it: `typed` in a process of its own, `asked` in this one, which is quicker.

What a run says of places (source lines, repros) is relative to where its process began: look at those in a `typed` one.
"""

import json
import os
import re
import subprocess
import sys

from click.testing import CliRunner

from harness.cli import main

SUBJECT = "subject_under_test.py"

TALKATIVE = """
from harness.report import terminal

terminal.PLAIN_EVERY_S = 0.1

from harness.cli import main

main()
"""

STATES = {"legal", "legal_exact", "distinct", "checked", "exhaustive"}
SCENARIO_KEYS = {
    "name", "profile", "operations", "kill_points", "crash_states", "workloads", "recovery_deaths", "faults",
    "histories", "probes", "wall_s", "states_per_s", "violations",
}  # fmt: skip
VIOLATION_KEYS = {"verdict", "summary", "kill_point", "operation", "source", "profiles", "repro"}


def typed(*arguments, **environment):
    """A real process, as a person starts it; its result has `returncode`, `stdout` and `stderr`."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def talking(*arguments, **options):
    """A real process under way that tells its progress ten times a second, not each five seconds; its output is text."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", TALKATIVE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def await_states(process, least):
    """The process has told that it judged so many states."""
    found = None
    while found is None or int(found[1].replace(",", "")) < least:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        found = re.search(r"([\d,]+) states checked", line)


def asked(*arguments):
    """The same in this process; its result has `exit_code`, `stdout`, `stderr`, and both in `output`."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert "Traceback" not in result.output, result.output
    return result


def written(folder, source, name=SUBJECT):
    (folder / name).write_text(source)
    return name


def run_typed(folder, source, *options):
    """(result, JSON) of a run on that source, in the working folder `folder`."""
    result = typed("run", written(folder, source), "--jobs", "1", "--json", "out.json", *options)
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result, json.loads((folder / "out.json").read_text())


def run_asked(folder, source, *options):
    result = asked("run", written(folder, source), "--jobs", "1", "--json", "out.json", *options)
    return result, json.loads((folder / "out.json").read_text())


def check_shape(document):
    assert {"schema", "version", "seed", "profiles", "outcome", "scenarios"} <= set(document)
    assert document["schema"] == 1
    for scenario in document["scenarios"]:
        assert set(scenario) >= SCENARIO_KEYS
        assert set(scenario["crash_states"]) == STATES
        for workload in scenario["workloads"]:
            assert {"name", "operations", "kill_points", "crash_states"} <= set(workload)
            assert set(workload["crash_states"]) == STATES
        assert set(scenario["recovery_deaths"]) >= {"kill_points", "checked"}
        assert set(scenario["faults"]) == {"planned", "fired", "told"}
        assert set(scenario["histories"]) == {"examples", "steps"}
        assert set(scenario["probes"]) == {"hit", "missed"}
        for violation in scenario["violations"]:
            assert set(violation) >= VIOLATION_KEYS
