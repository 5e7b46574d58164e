"""The published plugin loses what it acknowledged (its issue 18851), and what remains once its append is flushed.

A start of Node through tsx takes about half a second of processor time, and each state needs one: minutes, not seconds.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from harness.trace import Fsync
from scenarios.voice_call_plugin.package import Package, Unavailable, Variant, cache_folder, fetched
from scenarios.voice_call_plugin.sweep import Recording, failed, judged, recorded

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="no /dev/fuse: nothing can be mounted here"),
    pytest.mark.skipif(shutil.which("fusermount3") is None, reason="no fusermount3: install the package fuse3"),
]

STORE: Final = "manager/store.ts:10"
"""The one line of the plugin that appends."""


@pytest.fixture(scope="module")
def package() -> Package:
    try:
        return fetched(cache_folder())
    except Unavailable as error:
        pytest.skip(f"the plugin cannot be fetched: {error}")


@pytest.fixture(scope="module")
def published(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(package, "as-published", tmp_path_factory.mktemp("as-published"))


@pytest.fixture(scope="module")
def flushed(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(package, "append-flushed", tmp_path_factory.mktemp("append-flushed"))


def test_the_published_plugin_never_syncs_and_appends_from_one_line(published: Recording) -> None:
    assert len(published.trace.marks()) == 7
    assert not [item for item in published.trace.items if isinstance(item, Fsync)]
    assert {append.at[0] for append in published.appends} == {STORE}


@pytest.mark.parametrize(
    ("promise", "broken"),
    [
        ("lost", "event out-answered was acknowledged and is not on record"),
        ("stale-active", "the outbound call ended and is active again"),
        ("double-applied", "event out-answered was accepted twice"),
    ],
)
def test_the_published_plugin_breaks_its_promises_when_it_is_killed(
    package: Package, published: Recording, promise: str, broken: str
) -> None:
    result = judged(package, published, [promise], profiles=["process"])
    assert result.exhaustive
    (finding,) = [one for one in result.findings if one.summary == f"{promise}: {broken}"]
    assert finding.asked_at.startswith(f"{STORE}, from ") and "manager/events.ts:228" in finding.asked_at
    assert "write" in finding.operation and finding.source.endswith("write to calls.jsonl")
    assert {"process", "strict", "ext4", "xfs", "btrfs"} <= set(finding.profiles)
    assert replayed(finding.repro, published.file.parent)


def replayed(repro: str, folder: Path) -> bool:
    """The saved case shows the same again."""
    root = str(Path(__file__).resolve().parents[3])
    words = [sys.executable, "-m", "harness.cli", "replay", repro, "--json", "-"]
    ended = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode == 1 and json.loads(ended.stdout)["matches"] is True


def test_a_flushed_append_loses_nothing_but_the_name_of_the_log(package: Package, flushed: Recording) -> None:
    result = judged(package, flushed, ["lost", "stale-active"], profiles=["process", "ext4", "strict"], bound=8)
    assert [one.exhaustive for one in result.coverage[:2]] == [True, True]
    assert not result.broken_under("process") and not result.broken_under("ext4")
    (finding,) = result.findings
    assert finding.summary == "lost: the outbound call was placed and is not on record"
    assert finding.operation == "the entry calls.jsonl in /"
    assert finding.asked_at == ""


def test_a_flushed_append_still_forgets_the_events_of_calls_that_ended(package: Package, flushed: Recording) -> None:
    result = judged(package, flushed, ["double-applied"], profiles=["process"])
    assert result.exhaustive
    assert {one.summary for one in result.findings} == {
        "double-applied: event in-ringing was accepted twice: the inbound call had ended, and begins again"
    }


def test_a_flushed_append_still_glues_the_next_event_to_a_torn_one(package: Package, flushed: Recording) -> None:
    result = judged(package, flushed, ["torn-tail-swallow"], profiles=["ext4"], bound=8)
    assert result.exhaustive
    (finding,) = result.findings
    assert "was acknowledged after the restart and is not on record after the next" in finding.summary
    assert "bytes of the write to /calls.jsonl" in finding.operation


def test_a_flushed_append_still_leaves_an_answered_call_without_a_time_limit(
    package: Package, flushed: Recording
) -> None:
    result = judged(package, flushed, ["timer-lost"], profiles=["process"])
    assert result.exhaustive
    assert {one.summary for one in result.findings} == {
        "timer-lost: the outbound call was answered before the death and has no time limit any more"
    }


@pytest.mark.parametrize(("variant", "call"), [("as-published", 7), ("append-flushed", 12)])
def test_an_append_that_fails_is_acknowledged_all_the_same(
    package: Package, variant: Variant, call: int, tmp_path: Path
) -> None:
    """The call is the write of `out-speech`. Flushed, the append throws, and the web server answers 200 nevertheless."""
    result = failed(package, variant, ["lost"], call, tmp_path)
    assert set(result.behaviours) <= {"swallowed", "absorbed"} and result.behaviours["swallowed"]
    assert any(
        one.startswith("swallowed-error: ENOSPC on call") and "6th write to calls.jsonl" in one
        for one in result.findings
    )
