"""One run of the command line that many tests look at."""

import contextlib
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import command_line
import subject_files


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder: a new one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def losing(tmp_path_factory):
    """`harness run` on a file that loses something, in a process of its own: its folder, result and JSON."""
    folder = tmp_path_factory.mktemp("losing")
    with contextlib.chdir(folder):
        result, document = command_line.run_typed(folder, subject_files.LOSES)
    return SimpleNamespace(folder=folder, result=result, document=document)


@pytest.fixture
def saved(here, losing):
    """The case that the losing run has saved; the working folder is a copy of that of the run."""
    shutil.copytree(losing.folder, here, dirs_exist_ok=True)
    return losing.document["scenarios"][0]["violations"][0]["repro"]
