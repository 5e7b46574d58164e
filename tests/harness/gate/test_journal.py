"""The journal as a file: what it keeps, what it cuts, what it refuses. (Deaths and errors: tests/scenarios/own_journal.)"""

import errno
import os

import msgspec
import pytest

from harness.explore.tally import Tally
from harness.gate import journal as journal_module
from harness.gate.journal import Journal, JournalError
from harness.gate.part import Piece
from harness.gate.run_key import RunKey
from harness.gate.task import Task

KEY = RunKey("c0de" * 16, "3.11", "voice_call", 0, ("process", "strict"), True, 200, 65_536, None, False)


def piece(number, **tally):
    return Piece(Task("crash", "voice_call", "inbound", "strict", 0, part=number), Tally(**tally))


def lines(folder):
    return (folder / "voice_call.journal.jsonl").read_bytes().splitlines(keepends=True)


def test_what_is_appended_is_read_back_in_a_folder_that_was_not_there(tmp_path):
    with Journal(str(tmp_path / "ci" / "run"), KEY) as journal:
        journal.append(piece(1, legal=2**300, probes={"torn": 3}))
        journal.append(piece(2))
    with Journal(str(tmp_path / "ci" / "run"), KEY) as journal:
        assert list(journal.pieces.values()) == [piece(1, legal=2**300, probes={"torn": 3}), piece(2)]
        assert journal.cut == 0


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_torn_tail_is_cut_and_the_rest_kept(tmp_path, left):
    with Journal(str(tmp_path), KEY) as journal:
        journal.append(piece(1))
        journal.append(piece(2))
    whole = lines(tmp_path)
    (tmp_path / "voice_call.journal.jsonl").write_bytes(b"".join(whole[:2]) + whole[2][:left])
    with Journal(str(tmp_path), KEY) as journal:
        assert list(journal.pieces.values()) == [piece(1)] and journal.cut
        journal.append(piece(3))
    with Journal(str(tmp_path), KEY) as journal:
        assert list(journal.pieces.values()) == [piece(1), piece(3)]


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_torn_header_begins_anew(tmp_path, left):
    with Journal(str(tmp_path), KEY):
        pass
    (tmp_path / "voice_call.journal.jsonl").write_bytes(lines(tmp_path)[0][:left])
    with Journal(str(tmp_path), KEY) as journal:
        journal.append(piece(1))
    with Journal(str(tmp_path), KEY) as journal:
        assert list(journal.pieces.values()) == [piece(1)]


@pytest.mark.parametrize(
    "other, says",
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"code": "f" * 64}, "code c0dec0dec0de…, not ffffffffffff…"),
        ({"profiles": ("ext4",)}, r"profiles process\+strict, not ext4"),
        ({"shard": "1/2"}, "shard none, not 1/2"),
    ],
)
def test_the_journal_of_another_run_is_refused(tmp_path, other, says):
    with Journal(str(tmp_path), KEY) as journal:
        journal.append(piece(1))
    before = lines(tmp_path)
    with pytest.raises(JournalError, match=rf"another run \({says}\).*name another folder"):
        Journal(str(tmp_path), msgspec.structs.replace(KEY, **other))
    assert lines(tmp_path) == before


def test_damage_in_the_middle_is_refused_and_not_repaired(tmp_path):
    with Journal(str(tmp_path), KEY) as journal:
        journal.append(piece(1))
        journal.append(piece(2))
    whole = lines(tmp_path)
    damaged = b"".join([whole[0], whole[1].replace(b"inbound", b"0utbound"), whole[2]])
    (tmp_path / "voice_call.journal.jsonl").write_bytes(damaged)
    with pytest.raises(JournalError, match="line 2 is damaged"):
        Journal(str(tmp_path), KEY)
    assert b"".join(lines(tmp_path)) == damaged


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "voice_call.journal.jsonl").write_bytes(b"dear diary\nnothing\n")
    with pytest.raises(JournalError, match="not a journal"):
        Journal(str(tmp_path), KEY)
    assert lines(tmp_path) == [b"dear diary\n", b"nothing\n"]


def test_two_runs_do_not_share_a_journal(tmp_path):
    with Journal(str(tmp_path), KEY), pytest.raises(JournalError, match="is in use"):
        Journal(str(tmp_path), KEY)


def test_a_failed_append_is_cut_back_and_closes_the_journal(tmp_path, monkeypatch):
    def full(descriptor, data):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size + 10)
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal(str(tmp_path), KEY) as journal:
        journal.append(piece(1))
        before = lines(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(journal_module.os, "write", full)
            with pytest.raises(OSError, match="No space"):
                journal.append(piece(2))
        assert lines(tmp_path) == before
        with pytest.raises(JournalError, match="closed after an error"):
            journal.append(piece(2))


def test_scenarios_that_look_alike_have_journals_of_their_own(tmp_path):
    references = ("a.py::test_x", "a.py::test-x", "a_py__test_x")
    paths = set()
    for reference in references:
        with Journal(str(tmp_path), msgspec.structs.replace(KEY, scenario=reference)) as journal:
            paths.add(journal.path)
    assert len(paths) == 3
