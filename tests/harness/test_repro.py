"""Repro files: saved under their digest, read back, refused with a sentence."""

import json

import pytest

from harness.explore.saved_case import SavedCase
from harness.repro import LARGEST, ReproError, ReproFile, encode, load, name_of, save

CASE = SavedCase("queue", "steps", 0, "strict", "lost", "Jobs stay.", "job 1 is gone", "restarted")
FILE = ReproFile("crash-harness repro", 1, CASE, "write 2 bytes", "queue.py:3", ("strict",))


def test_what_was_saved_is_loaded_under_its_own_name(tmp_path):
    path = save(FILE, tmp_path / "new" / "folder")
    assert path.name == name_of(FILE) and path.name.startswith("lost-") and path.name.endswith(".repro.json")
    assert load(path) == FILE
    assert save(FILE, path.parent) == path and [path] == list(path.parent.iterdir())


def test_the_name_depends_on_the_case_only():
    assert name_of(FILE) == name_of(ReproFile("crash-harness repro", 1, CASE))


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "not a repro file"),
        (b"\xff\xfe", "not a repro file"),
        (b"3", "not a repro file"),
        (b'{"kind": "shopping list"}', "lacks"),
        (json.dumps({**json.loads(encode(FILE)), "schema": 2}).encode(), "upgrade crash-harness"),
        (json.dumps({**json.loads(encode(FILE)), "schema": True}).encode(), "not a positive number"),
        (json.dumps({**json.loads(encode(FILE)), "schema": 0}).encode(), "not a positive number"),
        (json.dumps({**json.loads(encode(FILE)), "case": {}}).encode(), "not a usable repro file"),
        (b" " * (LARGEST + 1), "at most"),
    ],
)
def test_anything_else_is_refused_by_a_sentence(tmp_path, content, says):
    path = tmp_path / "x.repro.json"
    path.write_bytes(content)
    with pytest.raises(ReproError, match=says):
        load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReproError, match=r"cannot read .*gone\.json: No such file"):
        load(tmp_path / "gone.json")
