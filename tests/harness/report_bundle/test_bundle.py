"""A bundle of a finding: what is in it, that nothing leaves its folder, and what a stranger's is refused for."""

import json
import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.report.bundle import folder_name, safe_name, save_bundle, write_tree
from harness.report.opened_bundle import BundleError, image_of, open_bundle, text_in, world_of
from harness.report.short_timeline import MOST_LINES, timeline_lines
from harness.repro import name_of
from harness.trace import ROOT

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "report_html"))
import report_samples as samples


@pytest.fixture(scope="module")
def telling():
    return samples.told_findings(samples.run_of())[0]


@pytest.fixture
def bundle(telling, tmp_path):
    return save_bundle(telling, tmp_path / "out", "harness replay x.repro.json")


def altered(folder, name, **changes):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_bundle_has_its_parts_under_the_name_of_its_case(bundle, telling):
    assert f"{bundle.name}.repro.json" == name_of(telling.file)
    there = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    wanted = {"repro.json", "timeline.txt", "diff.txt", "ledger.json", "faults.json", "state.json"}
    assert wanted <= there and "disk/before/data/jobs.jsonl" in there
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name], "nothing half-made is left"


def test_the_timeline_is_short_and_begins_with_what_was_broken(bundle, telling):
    text = (bundle / "timeline.txt").read_text().splitlines()
    assert len(text) <= MOST_LINES
    assert text[0] == f"{telling.finding.verdict}: {telling.finding.summary}"
    assert any("harness replay x.repro.json" in line for line in text)
    assert any(line.startswith("--- power cut (strict)") for line in text)
    assert any("<- " in line for line in text), "the operation that was not on the disk is marked"


def test_a_timeline_of_a_long_and_hostile_case_stays_short_and_plain():
    story = samples.hostile_story()
    chapter = msgspec.structs.replace(story.chapters[0], events=story.chapters[0].events * 50)
    text = timeline_lines(msgspec.structs.replace(story, chapters=(chapter,) * 3), ["x" * 500] * 40)
    assert len(text) <= MOST_LINES and max(map(len, text)) <= 200
    assert not {"\x00", "\x1b", "\u202e", "\n"} & set("".join(text))


def test_disks_and_diff_show_what_the_death_took(bundle):
    before = (bundle / "disk/before/data/jobs.jsonl").read_bytes()
    found = bundle / "disk/after/data/jobs.jsonl"
    after = found.read_bytes() if found.exists() else b""
    assert before != after
    diff = (bundle / "diff.txt").read_text()
    assert "/data/jobs.jsonl" in diff and "  - 00000000  " in diff


def test_an_equal_bundle_replaces_itself_and_something_else_is_left_alone(bundle, telling):
    (bundle / "timeline.txt").write_text("old")
    again = save_bundle(telling, bundle.parent)
    assert again == bundle and (bundle / "timeline.txt").read_text() != "old"
    other = bundle.parent.parent / "other"
    (other / folder_name(telling)).mkdir(parents=True)
    (other / folder_name(telling) / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="no bundle"):
        save_bundle(telling, other)
    assert (other / folder_name(telling) / "thesis.tex").read_text() == "mine"


def test_names_of_the_case_never_leave_the_folder(tmp_path):
    names = [
        "..",
        ".",
        "a/b",
        "%symlink",
        "\x1b[2J",
        "\u202egnp",
        "\udc80",
        "x" * 255,
        "ü" * 120,
        "plain.log",
        "-rf",
        "~",
        "a\nb",
    ]
    entries = {name: number for number, name in enumerate(names, 10)}
    nodes = {ROOT: Folder({**entries, "link": 5, "folder": 6}), 5: SymbolicLink("/etc/passwd"), 6: Folder({"..": 7})}
    nodes |= {number: File(name.encode("utf-8", "surrogatepass")) for name, number in entries.items()} | {
        7: File(b"up")
    }
    (tmp_path / "outside").mkdir()
    left_out = write_tree(DiskImage(nodes), tmp_path / "outside" / "tree")
    assert left_out == []
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["tree"]
    files = [path for path in (tmp_path / "outside" / "tree").rglob("*") if not path.is_dir()]
    assert not any(path.is_symlink() for path in files)
    assert len(files) == len(names) + 2, "no two names became one"
    assert (tmp_path / "outside" / "tree" / "link%symlink").read_text() == "/etc/passwd"
    assert (tmp_path / "outside" / "tree" / "plain.log").read_text() == "plain.log"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "\0", "CON\\x", "%2E", "é"])
def test_a_safe_name_is_plain_ascii_of_one_part(name):
    made = safe_name(name)
    assert made not in (".", "..") and "/" not in made and "\0" not in made and made.isascii()


def test_a_bundle_reads_back(bundle, telling):
    opened = open_bundle(bundle)
    assert opened.repro == telling.file
    assert image_of(opened).identity() == telling.replay.played.disks[-1].identity()
    position = telling.file.case.deaths[-1].position
    life = telling.replay.played.lives[-1]
    assert opened.marks == life.ledger_at(position).marks
    assert world_of(opened) == life.snapshot_at(position)
    assert text_in(opened, "timeline.txt") == (bundle / "timeline.txt").read_text()


@pytest.mark.parametrize("name", ["state.json", "ledger.json", "repro.json"])
def test_a_link_out_of_the_bundle_is_not_followed(bundle, name, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes((bundle / name).read_bytes())
    (bundle / name).unlink()
    (bundle / name).symlink_to(secret)
    with pytest.raises(BundleError, match=name):
        open_bundle(bundle)


def test_a_text_that_is_a_link_is_not_read(bundle, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (bundle / "timeline.txt").unlink()
    (bundle / "timeline.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match=r"timeline\.txt"):
        text_in(open_bundle(bundle), "timeline.txt")


def test_a_pipe_does_not_hold_the_reader_up(bundle):
    (bundle / "state.json").unlink()
    os.mkfifo(bundle / "state.json")
    with pytest.raises(BundleError, match="no regular file"):
        open_bundle(bundle)


def test_a_file_that_is_too_large_is_not_read(bundle):
    with (bundle / "ledger.json").open("ab") as file:
        file.truncate(2**33)
    with pytest.raises(BundleError, match=r"ledger\.json: \d+ bytes, at most"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "crash-harness repro"}, "is no bundle"),
        ({"schema": 99}, "upgrade crash-harness"),
        ({"schema": 0}, "schema 0"),
        ({"at": -1.0}, "that is no time"),
        ({"at": 1e300}, "that is no time"),
        ({"at": "soon"}, "not what a bundle has there"),
    ],
)
def test_a_stranger_s_state_is_checked(bundle, changes, complaint):
    altered(bundle, "state.json", **changes)
    with pytest.raises(BundleError, match=complaint):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "image",
    [
        None,
        {"1": {"entries": {"..": 2}}, "2": {"data": ""}},
        {"1": {"entries": {"a/b": 2}}, "2": {"data": ""}},
        {"1": {"entries": {"a": 3}}},
        {"1": {"entries": {"a": 1}}},
        {"one": {"entries": {}}},
        {"1": {"data": "AA=="}},
    ],
)
def test_a_stranger_s_disk_is_a_tree_of_safe_names_or_refused(bundle, image):
    altered(bundle, "state.json", image=image)
    with pytest.raises(BundleError, match=r"state\.json"):
        image_of(open_bundle(bundle))


@pytest.mark.parametrize("end", [{"entries": {}}, {"entries": {"x": 2}}], ids=["deep", "round"])
def test_a_disk_that_is_too_deep_or_goes_round_is_refused_at_once(bundle, end):
    deep = {str(ino): {"entries": {"x": ino + 1}} for ino in range(1, 50_000)}
    altered(bundle, "state.json", image={**deep, "50000": end})
    opened = open_bundle(bundle)
    began = time.monotonic()
    with pytest.raises(BundleError, match=r"folders deep|contains itself|two parents"):
        image_of(opened)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "world",
    [
        {"__reduce__": ["os.system", "true"]},
        {"tuple": 3},
        {"dict": [[{"dict": []}, 1]]},
        {"bytes": "not base64!"},
        {"float": "nanny"},
        {"set": [{"dict": []}]},
        {"tuple": [], "set": []},
    ],
)
def test_a_stranger_s_memory_is_plain_values_or_refused(bundle, world):
    altered(bundle, "state.json", world=world)
    with pytest.raises(BundleError, match="outside world"):
        world_of(open_bundle(bundle))


def test_a_deep_memory_is_refused_not_followed(bundle):
    deep = "[" * 100_000 + "]" * 100_000
    path = bundle / "state.json"
    path.write_text(path.read_text().replace('"world":', f'"world": {deep}, "was":', 1))
    with pytest.raises(BundleError):
        world_of(open_bundle(bundle))


def test_no_bundle_at_all_is_said_in_a_sentence(tmp_path):
    with pytest.raises(BundleError, match=r"cannot read .*state\.json: No such file"):
        open_bundle(tmp_path)
