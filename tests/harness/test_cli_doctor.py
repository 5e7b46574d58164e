"""`harness doctor`: what works here, what a missing thing would give, and what it does not work without."""

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from harness import machine
from harness.frontends.mounted import requirements

sys.path.insert(0, str(Path(__file__).parent))
from command_line import asked, typed


def test_what_is_needed_is_there(here):
    result = typed("doctor", "--json", "doctor.json")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == "all that is needed is there"
    checks = {check["name"]: check for check in json.loads((here / "doctor.json").read_text())["checks"]}
    assert {"Python", "FUSE", "root", "loop devices", "mkfs.ext4"} <= set(checks)
    assert all(check["works"] for check in checks.values() if check["needed"])
    assert set(checks["FUSE"]) == {"name", "works", "found", "gives", "needed"}


def test_libraries_are_told_with_their_versions():
    checks = {check.name: check for check in machine.libraries()}
    for name in ("click", "hypothesis", "pyfakefs"):
        assert checks[name].works and checks[name].needed and checks[name].found == importlib.metadata.version(name)
    assert not checks["distributed"].needed and "--executor" in checks["distributed"].gives
    assert "ruff" not in checks  # of the extra for those who work on the harness


def test_a_missing_library_of_an_extra_is_no_failure_and_says_what_it_would_give(monkeypatch):
    lose(monkeypatch, "distributed")
    result = asked("doctor", "-q")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "missing distributed: not installed: pip install 'crash-harness[dask]'" in said
    assert "would give a run on more than one machine" in said


def test_a_missing_needed_library_is_exit_code_4(monkeypatch):
    lose(monkeypatch, "xxhash")
    result = asked("doctor")
    assert result.exit_code == 4
    assert result.stdout.splitlines()[-1] == "needed and missing: xxhash"


def test_a_checkout_that_is_not_installed_is_told(monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine, "requires", nothing)
    (check,) = machine.libraries()
    assert (check.name, check.works, check.needed) == ("crash-harness", False, False)
    assert "pip install -e ." in check.found


def test_a_machine_without_fuse_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(requirements, "DEVICE", str(tmp_path / "fuse"))
    check = machine.mounted()
    assert not check.works and not check.needed
    assert "modprobe fuse" in check.found and "harness record" in check.gives


@pytest.mark.parametrize("running, works", [((3, 10, 9), False), ((3, 11, 0), True), ((3, 14, 1), True)])
def test_an_old_python_does_not_work(running, works):
    assert machine.python(running).works == works


def test_root_tools_are_looked_for_on_the_path():
    checks = {check.name: check for check in machine.root_tools(1000, {"mkfs.xfs": "/sbin/mkfs.xfs"}.get)}
    assert (checks["root"].works, checks["root"].found) == (False, "user 1000")
    assert (checks["mkfs.xfs"].works, checks["mkfs.xfs"].found) == (True, "/sbin/mkfs.xfs")
    assert (checks["mkfs.btrfs"].works, checks["mkfs.btrfs"].found) == (False, "no mkfs.btrfs on PATH")


def lose(monkeypatch, lost):
    def version(name):
        if name == lost:
            raise importlib.metadata.PackageNotFoundError(name)
        return importlib.metadata.version(name)

    monkeypatch.setattr(machine, "version", version)
