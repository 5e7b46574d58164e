"""The plugin that lost calls (openclaw 2026.2.17, its own CallManager under Node), fetched, recorded, swept.

Its log is an append that nobody awaits: a killed process is enough for an acknowledged event to be lost, for an ended call
to be active again, and for an event to be accepted twice. With the append made synchronous and flushed, and nothing else
changed, two things are left: the log's name is never synced, and the ids of a call that has ended are not loaded again.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[3]
PROGRAM: Final = REPOSITORY / "scenarios" / "programs" / "openclaw_voice_call"

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.network,
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="no /dev/fuse: nothing can be mounted here"),
    pytest.mark.skipif(shutil.which("fusermount3") is None, reason="no fusermount3: install the package fuse3"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm: the plugin cannot be fetched"),
]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openclaw")
    prepared = subprocess.run(
        [str(PROGRAM / "prepare.sh"), str(folder)], capture_output=True, text=True, timeout=300, check=False
    )
    if prepared.returncode != 0:
        if any(word in prepared.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "E403")):
            pytest.skip(f"the npm registry cannot be reached: {prepared.stderr.strip()[-300:]}")
        pytest.fail(f"prepare.sh: {prepared.stderr}")
    for variant in ("plain", "flushed"):
        recorded = harness(
            folder,
            {"PLUGIN": str(folder / variant)},
            *("record", "-q", "--root", "state", "-o", f"{variant}.trace"),
            *("--", "node_modules/.bin/tsx", "deliver.mts", "{root}"),
        )
        assert recorded.returncode == 0, recorded.stderr
        assert recorded.stdout.splitlines() == [f"acknowledged e{number}" for number in range(1, 5)]
    return folder


def harness(folder: Path, more: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **more},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def violations(box: Path, variant: str, question: str, *profiles: str, bound: int = 8) -> list[dict[str, Any]]:
    asked = [word for name in profiles for word in ("--profile", name)]
    words = ("crash", f"{variant}.trace", "--check", f"node check-{variant}.mjs {question}", "--timeout", "60")
    crashed = harness(box, {}, *words, "--bound", str(bound), "--json", "out.json", *asked)
    assert crashed.returncode in (0, 1), crashed.stdout + crashed.stderr
    document = json.loads((box / "out.json").read_text())
    return [one for scenario in document["scenarios"] for one in scenario["violations"]]


@pytest.mark.parametrize(
    ("question", "summary"),
    [
        ("lost", "event e1 was acknowledged and is lost"),
        ("active", "the call has ended and is active again"),
        ("twice", "event e3 was acknowledged, and is accepted a second time"),
    ],
)
def test_a_killed_process_is_enough_for_the_plugin_as_it_is(box: Path, question: str, summary: str) -> None:
    found = violations(box, "plain", question, "process")
    assert summary in {one["summary"] for one in found}
    assert all("process" in one["profiles"] for one in found)
    # nobody awaits the append: the answer may leave before the log is even there
    assert all("calls.jsonl" in one["operation"] or one["operation"] == "nothing had been written" for one in found)


def test_with_a_flushed_append_only_the_name_of_the_log_can_be_lost(box: Path) -> None:
    assert violations(box, "flushed", "lost", "process", "ext4") == []
    (found,) = violations(box, "flushed", "lost", "strict")
    assert found["operation"] == "the entry calls.jsonl in /" and "ext4" not in found["profiles"]


def test_with_a_flushed_append_an_ended_call_stays_ended(box: Path) -> None:
    assert violations(box, "flushed", "active", "process", "ext4") == []


def test_with_a_flushed_append_the_ids_of_an_ended_call_are_still_forgotten(box: Path) -> None:
    (found,) = violations(box, "flushed", "twice", "process")
    assert found["summary"] == "event e3 was acknowledged, and is accepted a second time"
    assert found["source"].endswith("7th write to calls.jsonl")
