"""Programs that know nothing of the harness, recorded on a mounted folder and swept: the published picture must show.

SQLite: Pillai et al., OSDI'14, table 3: one vulnerability of the rollback journal (the folder is not synced after the
journal is removed; `synchronous=EXTRA` was added for it), none of WAL. Git: the same table, objects and references that
are not synced before the commit is reported.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

PROGRAMS: Final = Path(__file__).resolve().parents[3] / "scenarios" / "programs"
PYTHON: Final = sys.executable

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="no /dev/fuse: nothing can be mounted here"),
    pytest.mark.skipif(shutil.which("fusermount3") is None, reason="no fusermount3: install the package fuse3"),
]

GIT: Final = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


def harness(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=folder,
        env={**os.environ, **GIT, "PYTHONPATH": str(PROGRAMS.parents[1])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def swept(
    folder: Path, *, setup: str, program: Sequence[str], check: str, profiles: Sequence[str], bound: int = 16
) -> dict[str, Any]:
    """Record, sweep; the JSON of the sweep."""
    recorded = harness(
        "record", "-q", "--root", "state", "--setup", setup, "-o", "run.trace", "--", *program, folder=folder
    )
    assert recorded.returncode == 0, recorded.stderr
    asked = [word for name in profiles for word in ("--profile", name)]
    words = ["crash", "run.trace", "--check", check, "--bound", str(bound), "--json", "out.json", "--timeout", "60"]
    crashed = harness(*words, *asked, folder=folder)
    assert crashed.returncode in (0, 1), crashed.stdout + crashed.stderr
    document: dict[str, Any] = json.loads((folder / "out.json").read_text())
    assert (crashed.returncode == 1) == (document["outcome"] == "violation")
    return document


def violations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for scenario in document["scenarios"] for one in scenario["violations"]]


def jobs_in_python(folder: Path, mode: str) -> dict[str, Any]:
    return swept(
        folder,
        setup="true",
        program=[PYTHON, f"{PROGRAMS}/python_log/append.py", "{root}", mode],
        check=f"{PYTHON} -S -E {PROGRAMS}/python_log/check.py",
        profiles=("process", "strict", "ext4"),
        bound=200,
    )


@pytest.mark.parametrize(
    ("mode", "lost"),
    [
        ("unsynced", {"11 of 11 bytes of the write to /jobs.jsonl", "the entry jobs.jsonl in /"}),
        ("early", {"11 of 11 bytes of the write to /jobs.jsonl", "the entry jobs.jsonl in /"}),
        ("nameless", {"the entry jobs.jsonl in /"}),
        ("synced", set()),
    ],
)
def test_a_log_in_python_loses_what_it_did_not_sync(tmp_path: Path, mode: str, lost: set[str]) -> None:
    found = violations(jobs_in_python(tmp_path, mode))
    assert {one["operation"] for one in found} == lost
    assert all("process" not in one["profiles"] for one in found)
    if mode == "nameless":
        assert "ext4" not in found[0]["profiles"] and found[0]["source"].endswith("1st create of jobs.jsonl")


def saved_by_script(folder: Path, mode: str, *profiles: str) -> dict[str, Any]:
    return swept(
        folder,
        setup="sh -c 'echo value 0 > {root}/state'",
        program=[str(PROGRAMS / "shell_script/save.sh"), mode],
        check=str(PROGRAMS / "shell_script/check.sh"),
        profiles=profiles,
        bound=1_000,
    )


def test_a_script_that_writes_over_its_state_loses_it_when_it_is_killed(tmp_path: Path) -> None:
    found = violations(saved_by_script(tmp_path, "over", "process"))
    assert [one["source"] for one in found] == ["save.sh: 1st truncate of state"]
    assert found[0]["summary"] == "the state is ''"
    replayed = harness("replay", found[0]["repro"], "--json", "-", folder=tmp_path)
    assert replayed.returncode == 1 and json.loads(replayed.stdout)["matches"]


def test_a_script_that_moves_its_state_into_place_loses_it_with_the_power(tmp_path: Path) -> None:
    document = saved_by_script(tmp_path, "moved", "process", "strict")
    process, strict = document["scenarios"]
    assert process["violations"] == [] and strict["crash_states"]["exhaustive"]
    assert [(one["summary"], one["operation"]) for one in strict["violations"]] == [
        ("the state is ''", "8 of 8 bytes of the write to /state"),
        ("the state is 'value 0', although 1 was told", "the rename of /state.new to /state"),
    ]


def test_a_script_that_syncs_both_holds(tmp_path: Path) -> None:
    document = saved_by_script(tmp_path, "synced", "process", "strict", "ext4", "btrfs")
    assert document["outcome"] == "held"
    assert all(scenario["crash_states"]["exhaustive"] for scenario in document["scenarios"])


def rows_in_sqlite(folder: Path, journal: str, synchronous: str) -> list[dict[str, Any]]:
    write = f"{PROGRAMS}/sqlite/write.py"
    document = swept(
        folder,
        setup=f"{PYTHON} {write} {{root}} {journal} {synchronous}",
        program=[PYTHON, write, "{root}", journal, synchronous],
        check=f"{PYTHON} -S -E {PROGRAMS}/sqlite/check.py",
        profiles=("process", "strict", "ext4"),
    )
    return violations(document)


def test_sqlite_without_syncs_is_damaged_by_a_power_cut(tmp_path: Path) -> None:
    found = rows_in_sqlite(tmp_path, "delete", "off")
    assert any("malformed" in one["summary"] or "damaged" in one["summary"] for one in found)
    assert all("process" not in one["profiles"] for one in found)


def test_sqlites_rollback_journal_has_the_one_known_finding(tmp_path: Path) -> None:
    (found,) = rows_in_sqlite(tmp_path, "delete", "full")
    assert found["summary"] == "row 0 was committed and is gone"
    assert found["operation"] == "the removal of rows.db-journal from /"
    assert "process" not in found["profiles"] and {"strict", "ext4", "xfs"} <= set(found["profiles"])


@pytest.mark.parametrize(("journal", "synchronous"), [("delete", "extra"), ("wal", "full")])
def test_sqlite_holds_with_extra_and_with_wal(tmp_path: Path, journal: str, synchronous: str) -> None:
    assert rows_in_sqlite(tmp_path, journal, synchronous) == []


def commits_in_git(folder: Path, *settings: str) -> list[dict[str, Any]]:
    if shutil.which("git") is None:
        pytest.skip("no git")
    document = swept(
        folder,
        setup=" ".join([str(PROGRAMS / "git/setup.sh"), *settings]),
        program=[str(PROGRAMS / "git/commit.sh")],
        check=str(PROGRAMS / "git/check.sh"),
        profiles=("process", "ext4"),
    )
    assert document["scenarios"][0]["violations"] == []  # killed at any point, nothing is broken
    return violations(document)


def test_git_as_it_comes_breaks_its_objects_and_forgets_a_commit(tmp_path: Path) -> None:
    found = commits_in_git(tmp_path)
    operations = " | ".join(one["operation"] for one in found)
    assert "/.git/objects/" in operations and "/.git/refs/heads/master" in operations
    assert any("was told and is gone" in one["summary"] for one in found)


def test_git_that_syncs_everything_still_forgets_the_last_commit(tmp_path: Path) -> None:
    """`core.fsync=all` syncs files; the rename of the reference is durable only with its folder, which Git never syncs."""
    found = commits_in_git(tmp_path, "core.fsync=all", "core.fsyncMethod=fsync")
    assert [one["summary"].partition(" ")[0] for one in found] == ["commit"]
    assert "the rename of /repo/.git/refs/heads/master.lock" in found[0]["operation"]


@pytest.mark.slow
def test_the_reference_call_manager_holds_over_http_when_it_is_killed(tmp_path: Path) -> None:
    """Each state costs two starts of a web server's worth of Python: every one of a killed process, and no others."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    document = swept(
        tmp_path,
        setup="true",
        program=[PYTHON, "-m", "scenarios.programs.call_manager.drive", "{root}", str(port)],
        check=f"{PYTHON} -m scenarios.programs.call_manager.check",
        profiles=("process",),
    )
    assert document["outcome"] == "held"
    states = document["scenarios"][0]["crash_states"]
    assert states["exhaustive"] and states["checked"] == states["distinct"] > 20
