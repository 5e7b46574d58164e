"""A folder to mount on, and one line that records a program there; skips with what is missing where there is no FUSE."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.frontends.mounted.guardian import is_mounted
from harness.frontends.mounted.recording import Recorded, Run, record
from harness.frontends.mounted.requirements import MountError, find_tool

TIME_LIMIT_S = 60.0


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be mounted on, on a machine that can mount. A test that fails leaves no mount to the next one."""
    try:
        tool = find_tool()
    except MountError as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "root"
    yield folder
    if is_mounted(str(folder)):
        subprocess.run([tool, "-u", "-z", "-q", "--", str(folder)], check=False)


Recorder = Callable[..., Recorded]


@pytest.fixture
def python(root: Path) -> Recorder:
    """Records a Python program, given as its text; the mounted folder is its working directory `root`."""

    def run(text: str, **options: object) -> Recorded:
        words = (
            sys.executable,
            "-S",
            "-c",
            f"import os, sys\nroot = os.environ['HARNESS_ROOT']\nos.chdir(root)\n{text}",
        )
        return record(run_of(root, words), **options)  # type: ignore[arg-type]  # the options of record

    return run


@pytest.fixture
def shell(root: Path) -> Recorder:
    """Records a line for the shell, run in the mounted folder."""

    def run(text: str, **options: object) -> Recorded:
        return record(run_of(root, ("sh", "-c", f"cd {{root}} && {text}")), **options)  # type: ignore[arg-type]  # as above

    return run


def run_of(root: Path, words: Sequence[str]) -> Run:
    return Run(root, tuple(words), time_limit_s=TIME_LIMIT_S)
