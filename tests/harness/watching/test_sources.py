"""Which files count as sources, and what counts as a change of them."""

import os

from harness.watching.sources import Sources, changed


def test_new_gone_and_different_files_are_changes(tmp_path):
    for name in ("stays.py", "goes.py", "grows.py", "touched.py"):
        (tmp_path / name).write_text("1")
    sources = Sources([tmp_path])
    before = sources.look()
    assert changed(before, sources.look()) == []
    (tmp_path / "goes.py").unlink()
    (tmp_path / "grows.py").write_text("12")
    (tmp_path / "comes.toml").write_text("")
    os.utime(tmp_path / "touched.py", ns=(1, 1))
    names = [os.path.basename(path) for path in changed(before, sources.look())]
    assert names == ["comes.toml", "goes.py", "grows.py", "touched.py"]


def test_hidden_folders_environments_and_data_are_left_out(tmp_path):
    for name in (
        ".harness/x.py",
        ".git/x.py",
        "venv/lib/x.py",
        "pkg/__pycache__/x.py",
        "node_modules/x.py",
        "pkg/a.py",
        "a.log",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    assert list(Sources([tmp_path]).look()) == [str(tmp_path / "pkg" / "a.py")]


def test_a_folder_that_goes_away_has_nothing(tmp_path):
    assert Sources([tmp_path / "gone"]).look() == {}
