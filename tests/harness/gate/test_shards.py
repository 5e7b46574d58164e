"""One run, however it is split: the same states, verdicts and counts; and a part never passes for the whole."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.gate.shard import Shard, shard_of

OPTIONS = ["--examples", "4", "--profile", "process", "--profile", "strict"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the scenario is found as `module:Class`, by this process and those that it starts."""
    folder = tmp_path_factory.mktemp("shards")
    shutil.copy(Path(__file__).with_name("job_queue.py"), folder)
    with contextlib.chdir(folder):
        yield folder


def harness(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run(folder, name, *options):
    """In a process of its own: the paths in a case are relative to where the process began."""
    file = folder / f"{name}.json"
    if not file.exists():
        command = [sys.executable, "-m", "harness.cli", "run", "job_queue:JobQueue", *OPTIONS, *options]
        command += ["--json", str(file), "--out", str(folder / name), "-q"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert file.exists(), done.stdout + done.stderr
    return file, json.loads(file.read_text())


def shards(folder, of, *options):
    files = [
        run(folder, f"{i}of{of}{len(options)}", "--shard", f"{i}/{of}", "--jobs", "1", *options)
        for i in range(1, of + 1)
    ]
    return [file for file, _ in files], [document for _, document in files]


def merge(folder, files):
    result = harness("merge", *files, "--json", folder / "merged.json", "--out", folder / "merged", "-q")
    return result, json.loads((folder / "merged.json").read_text())


def numbers(document):
    """All of a result but how long it took, where the repros are, and the advice that merging has no subject for."""
    scenarios = json.loads(json.dumps(document["scenarios"]))
    for scenario in scenarios:
        del scenario["wall_s"], scenario["states_per_s"]
        for violation in scenario["violations"]:
            violation["repro"] = Path(violation["repro"]).name
            violation.pop("mend", None)
    return document["outcome"], scenarios


def test_the_run_of_these_tests_has_chunks_of_every_kind(folder):
    _, whole = run(folder, "jobs1", "--jobs", "1")
    assert whole["outcome"] == "violation" and whole["shard"] is None and whole["parts"] == []
    for scenario in whole["scenarios"]:
        assert scenario["crash_states"]["checked"] and scenario["faults"]["fired"] and scenario["histories"]["examples"]
    assert any(scenario["violations"] for scenario in whole["scenarios"])


@pytest.mark.parametrize("of", [pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow), 3])
def test_joined_shards_are_the_whole_run(folder, of):
    files, documents = shards(folder, of)
    result, merged = merge(folder, list(reversed(files)))
    _, whole = run(folder, "jobs1", "--jobs", "1")
    assert numbers(merged) == numbers(whole)
    assert result.exit_code == 1
    dealt = [sum(len(part["pieces"]) for part in document["parts"]) for document in documents]
    assert max(dealt) - min(dealt) <= 1


def test_two_workers_come_to_what_one_comes_to(folder):
    _, one = run(folder, "jobs1", "--jobs", "1")
    _, two = run(folder, "jobs2", "--jobs", "2")
    assert numbers(one) == numbers(two)


def test_every_merged_violation_has_a_case_that_replays(folder):
    files, _ = shards(folder, 2)
    _, merged = merge(folder, files)
    repros = {violation["repro"] for scenario in merged["scenarios"] for violation in scenario["violations"]}
    assert repros
    for repro in repros:
        result = harness("replay", repro, "-q")
        assert result.exit_code == 1 and "trace matches" in result.output


def test_a_shard_without_findings_is_not_held_and_joined_shards_are(folder):
    file = folder / "test_careful.py"
    file.write_text(CAREFUL)
    files = []
    for index in (1, 2):
        files.append(folder / f"careful{index}.json")
        result = harness(
            "run", file, "--shard", f"{index}/2", "--json", files[-1], "--out", folder / "o", "--jobs", "1"
        )
        assert result.exit_code == 3, result.output
        assert f"shard {index}/2 is a part of a run: join all 2 with `harness merge`" in result.output
    result, merged = merge(folder, files)
    assert (result.exit_code, merged["outcome"]) == (0, "held")


def test_a_missing_shard_is_named(folder):
    file = folder / "careful1.json"
    result, merged = merge(folder, [file, file])  # twice the same counts once
    assert (result.exit_code, merged["outcome"]) == (3, "inconclusive")
    assert "shard 2/2 is missing" in " ".join(merged["scenarios"][0]["reasons"])
    assert not merged["scenarios"][0]["crash_states"]["exhaustive"]


def test_what_does_not_belong_together_is_refused(folder):
    (first, _), _ = shards(folder, 2)
    _, (other, *_) = [None], shards(folder, 3)[0]
    seed, _ = run(folder, "seed", "--shard", "2/2", "--seed", "7", "--jobs", "1")
    whole, _ = run(folder, "jobs1", "--jobs", "1")
    broken = folder / "broken.json"
    broken.write_text(first.read_text()[:500])
    for files, says in [
        ([first, other], "not of one run"),
        ([first, seed], "seed 7, not 0"),
        ([whole], "whole run"),
        ([broken], "not the JSON"),
        ([folder / "none.json"], "cannot read"),
    ]:
        result = harness("merge", *files, "--out", folder / "x")
        assert result.exit_code == 2 and says in result.output, result.output


def test_cards_are_dealt_once_each():
    cards = list(range(11))
    hands = [Shard(index, 4).dealt(cards) for index in range(1, 5)]
    assert sorted(card for hand in hands for card in hand) == cards
    assert Shard(1, 4).dealt(["x", "y"], first=11) == ["y"]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1.0/2", " 1/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ValueError, match="I from 1 to N"):
        shard_of(text)
    assert harness("run", "voice_call", "--shard", text).exit_code == 2


CAREFUL = """
import os
from harness import crash_test

def workload(mark):
    file = os.open("/data/x", os.O_RDWR | os.O_CREAT)
    os.write(file, b"1")
    os.fsync(file)
    folder = os.open("/data", os.O_RDONLY)
    os.fsync(folder)
    mark(1)

def recovered(marks):
    assert not marks or os.path.getsize("/data/x") == 1

def test_it(): crash_test(workload, recovered)
"""
