"""`harness replay` from outside: the same each time, what it shows, changed and fixed sources, files that are no case."""

import json
import sys
from pathlib import Path

import pytest

from harness.repro import load, replay

sys.path.insert(0, str(Path(__file__).parent))
import subject_files
from command_line import asked, typed, written


def test_a_replay_shows_the_violation_ten_times_the_same_and_under_other_hash_seeds(saved):
    digests = {replay(load(Path(saved))).played.trace_digest for _ in range(10)}
    for seed in ("0", "1", "77"):
        result = typed("replay", saved, "--json", "-", PYTHONHASHSEED=seed)
        told = json.loads(result.stdout)
        assert (result.returncode, told["verdict"], told["matches"]) == (1, "check-failed", True), result.stderr
        digests.add(told["trace_digest"])
    assert len(digests) == 1


def test_a_timeline_shows_the_outside_the_operations_and_the_disk(saved):
    result = asked("replay", saved)
    for text in ("acknowledged 1", "write 2 bytes at 0 to /data/log", "power cut (strict)", "before (page cache)"):
        assert text in result.stdout


def test_changed_source_is_a_warning_and_it_replays(here, saved):
    written(here, subject_files.LOSES + "\n# a comment\n")
    result = asked("replay", saved)
    assert result.exit_code == 1 and "has changed since" in result.stderr


def test_a_fixed_subject_replays_with_exit_code_0(here, saved):
    written(here, subject_files.LOSES.replace("sync=False", "sync=True"))
    result = asked("replay", saved)
    assert result.exit_code == 0, result.stderr
    assert "does not show any more" in result.stderr


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda text: "not json", "not a repro file"),
        (lambda text: "[1]", "not a repro file"),
        (lambda text: "{}", "kind"),
        (lambda text: text.replace('"schema": 1', '"schema": 99', 1), "upgrade"),
        (lambda text: text.replace("subject_under_test.py::test_bad", "gone_scenario"), "gone_scenario"),
        (lambda text: text.replace("test_bad", "test_gone"), "test_gone"),
        (lambda text: text.replace('"workload": "workload"', '"workload": "other"'), "other"),
        (lambda text: text.replace('"position": ', '"position": -'), ""),
        (lambda text: text.replace('"position": ', '"position": 99'), ""),
        (lambda text: text.replace('"profile": "strict"', '"profile": "zfs"'), ""),
        (lambda text: "[" * 100_000, "not a repro file"),
    ],
)
def test_a_repro_that_cannot_be_used_is_a_usage_error_with_a_sentence(saved, change, says):
    path = Path(saved)
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    result = asked("replay", saved)
    assert result.exit_code == 2, result.output
    assert says in result.stderr and result.stdout == ""
