"""Programs of others that test file systems: CPython's own tests, fio's verification, stress-ng's stressors.

What fails is named in `KNOWN`, with its reason; all else must pass. A tool that is not installed is skipped by name.
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from harness.disk import DiskImage
from harness.frontends.mounted.recording import Recorded, Run, record

pytestmark = [pytest.mark.fuse, pytest.mark.slow]

TIME_LIMIT_S: Final = 580.0

FOLDED_MAX: Final = 4_000
"""Operations of a trace that are made into a tree."""

KNOWN: Final = {
    "Pep383Tests": "names that are not UTF-8: a trace is JSON and cannot hold them (EILSEQ)",
    "test_large_file_ops": "a sparse file of 2 GiB: files live in memory, 256 MiB is the most (EFBIG)",
}
"""Tests of CPython that fail, and why. Of stress-ng's stressors xattr and fiemap are left out: neither is offered."""

STRESSORS: Final = (
    *("access", "chdir", "chmod", "chown", "copy-file", "dentry", "dir", "dirdeep", "dirmany", "dnotify", "fallocate"),
    *("fcntl", "file-ioctl", "filename", "flock", "fpunch", "fstat", "getdent", "hdd", "inotify", "iomix", "lease"),
    *("link", "locka", "lockf", "lockofd", "mknod", "msync", "open", "readahead", "rename", "seek", "symlink"),
    *("sync-file", "touch", "utime"),
)


def on_the_mount(root: Path, *words: str) -> tuple[Recorded, str]:
    """Run it there; what it printed, to both streams. The trace must make the tree that it left, where it is not so long
    that making it (each write into a file copies the file) would take minutes."""
    recorded = record(Run(root, words, time_limit_s=TIME_LIMIT_S))
    assert not recorded.ended.timed_out
    if recorded.trace.operation_count < FOLDED_MAX:
        assert DiskImage.made_by(recorded.trace.items).digest() == recorded.image.digest()
    printed = "\n".join(mark.event for mark in recorded.trace.marks())
    return recorded, f"{printed}\n{recorded.ended.errors.decode(errors='replace')}"


def installed(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is missing: install the package {tool}")
    return found


@pytest.mark.parametrize("module", ["test_os", "test_io", "test_fileio", "test_shutil", "test_tempfile"])
def test_cpython_runs_its_tests_there(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    pytest.importorskip(f"test.{module}", reason="this Python comes without its tests (package libpython3-testsuite)")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TMPDIR", str(root))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    real = os.path.realpath(sys.executable)
    recorded, text = on_the_mount(root, real, "-m", "test", "-v", "--tempdir", "{root}", module)
    failed = set(re.findall(r"^(?:ERROR|FAIL): (.*)$", text, re.MULTILINE))
    new = {name for name in failed if not any(known in name for known in KNOWN)}
    assert not new, text[-20_000:]
    assert recorded.ended.exit_code == 0 or failed, text[-20_000:]
    assert recorded.trace.operation_count > 10


@pytest.mark.parametrize(
    "job",
    [
        ("--ioengine=psync", "--rw=randrw", "--bs=512-64k", "--numjobs=2", "--size=16m"),
        ("--ioengine=mmap", "--rw=randwrite", "--bs=4k", "--size=8m"),
        ("--ioengine=io_uring", "--rw=randwrite", "--bs=4k", "--iodepth=8", "--size=8m"),
        ("--ioengine=libaio", "--rw=randwrite", "--bs=4k", "--iodepth=8", "--size=8m", "--direct=1"),
        ("--ioengine=psync", "--rw=write", "--bs=1m", "--size=64m"),
    ],
    ids=lambda job: job[0].partition("=")[2] + job[-1].partition("=")[2],
)
def test_fio_verifies_what_it_wrote(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)  # it leaves files where it runs
    words = ("--name=verified", "--directory={root}", "--verify=crc32c", "--verify_fatal=1", "--fsync=16")
    recorded, text = on_the_mount(root, installed("fio"), *words, *job)
    if "engine" in text and "not loadable" in text:
        pytest.skip(text)
    assert recorded.ended.exit_code == 0, text
    assert "err= 0" in text


@pytest.mark.parametrize("stressor", STRESSORS)
def test_stress_ng_finds_no_fault(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stressor: str) -> None:
    monkeypatch.chdir(tmp_path)
    options = (
        "--verify",
        "--timeout",
        "1",
        "--temp-path",
        "{root}",
        "--hdd-bytes",
        "1m",
        "--iomix-bytes",
        "1m",
        "--msync-bytes",
        "1m",
    )
    sizes = ("--fallocate-bytes", "1m", "--readahead-bytes", "1m", "--seek-size", "1m", "--sync-file-bytes", "1m")
    recorded, text = on_the_mount(root, installed("stress-ng"), f"--{stressor}", "1", *options, *sizes)
    assert recorded.ended.exit_code == 0, text
    assert "fail:" not in text, text
