"""`harness show` and `harness judge`: a bundle in the terminal, and judged again without the run that found it."""

import base64
import json
import pickle
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.explore.judged_again import UnfitWorld, judge_again
from harness.ledger import Ledger
from harness.report.bundle import save_bundle
from harness.report.opened_bundle import image_of, open_bundle, world_of

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "report_html"))
import queue_client as queue
import report_samples as samples


@pytest.fixture(scope="module")
def telling():
    return samples.told_findings(samples.run_of())[0]


@pytest.fixture
def bundle(telling, tmp_path):
    return save_bundle(telling, tmp_path)


def typed(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_a_bundle_is_judged_again_as_it_was_found(bundle, telling):
    result = typed("judge", bundle, "--json", "-")
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert document["verdict"] == telling.finding.verdict and document["matches"] is True
    said = [(row["phase"], row["verdict"], row["summary"]) for row in document["violations"]]
    again = telling.replay.played.violations
    assert said == [(str(one.phase), one.violation.verdict, one.violation.summary) for one in again]


@pytest.mark.parametrize(
    "scenario", [queue.Unsyncing, queue.TornKeeping, queue.Doubled, queue.FragileRecovery, queue.KillThenPower]
)
def test_whatever_is_wrong_is_judged_again_as_it_was_or_said_to_be_missing(scenario, tmp_path):
    tellings = samples.told_findings(samples.run_of(scenario, profiles=("process", "strict"), faults=True))
    assert tellings
    for telling in tellings:
        folder = save_bundle(telling, tmp_path)
        opened = open_bundle(folder)
        if opened.state.cannot:
            assert typed("judge", folder).exit_code == 2
            continue
        result = typed("judge", folder, "--json", "-")
        said = [(row["phase"], row["verdict"], row["summary"]) for row in json.loads(result.stdout)["violations"]]
        found = telling.replay.played.violations
        wanted = [(str(one.phase), one.violation.verdict, one.violation.summary) for one in found]
        if opened.state.lacks:
            assert set(said) <= set(wanted) and "is not stored" in result.stderr
        else:
            assert said == wanted


def test_the_workload_is_not_run_again(bundle, monkeypatch):
    def steps(*_):
        raise AssertionError("the workload was run")

    monkeypatch.setattr(queue.Queue, "steps", steps)
    assert typed("judge", bundle).exit_code == 1


def test_a_disk_on_which_all_is_well_is_judged_as_held(bundle):
    path = bundle / "state.json"
    state = json.loads(path.read_text())
    before = (bundle / "disk/before/data/jobs.jsonl").read_bytes()
    ino = next(number for number, node in state["image"].items() if set(node) == {"data"})
    state["image"][ino]["data"] = base64.b64encode(before).decode()
    path.write_text(json.dumps(state))
    result = typed("judge", bundle)
    assert result.exit_code == 0, result.output
    assert "held; the saved verdict was lost" in result.output


def test_a_case_without_a_death_says_what_to_use_instead(tmp_path):
    report = samples.run_of(queue.Unsyncing, faults=True)
    living = [one for one in samples.told_findings(report) if not one.finding.case.deaths]
    if not living:
        living = [one for one in samples.told_findings(samples.run_of(queue.Doubled)) if not one.finding.case.deaths]
    folder = save_bundle(living[0], tmp_path)
    result = typed("judge", folder)
    assert result.exit_code == 2 and "use harness replay" in result.output
    assert "nobody died" in (folder / "diff.txt").read_text()
    assert not (folder / "disk" / "after").exists()


def test_what_is_no_bundle_is_a_usage_error(tmp_path):
    for command in ("judge", "show"):
        result = typed(command, tmp_path)
        assert result.exit_code == 2 and "cannot read" in result.output and "Traceback" not in result.output


def test_bytes_of_a_stranger_reach_only_a_world_that_reads_them_as_data(bundle):
    reached = []

    class Pickling(queue.Broker):
        def restore(self, snapshot):
            reached.append(snapshot)

    class Strange(queue.Unsyncing):
        def world(self, run, workload):
            return Pickling()

    image, remembered = image_of(open_bundle(bundle)), ({"key": pickle.dumps(1)},)
    with pytest.raises(UnfitWorld, match="stored_bytes_are_data"):
        judge_again(Strange(), "steps", image, Ledger(), remembered, at=1e9, seed=0, fault_fired=False)
    assert reached == []


def test_a_memory_of_another_world_is_refused_in_a_sentence(bundle):
    opened = open_bundle(bundle)
    with pytest.raises(UnfitWorld, match="does not fit the world of"):
        judge_again(queue.Unsyncing(), "steps", image_of(opened), Ledger(), 7, at=1e9, seed=0, fault_fired=False)
    assert world_of(opened) != 7


def test_show_walks_through_every_part(bundle, telling):
    result = typed("show", bundle)
    assert result.exit_code == 0, result.output
    for said in ("== timeline", "== case", "== disk", "== diff", "== ledger", "== faults", telling.finding.summary):
        assert said in result.output
    assert f"harness judge {bundle}" in result.output


def test_show_shows_one_part_and_bounds_it(bundle):
    (bundle / "diff.txt").write_text("".join(f"line {number}\n" for number in range(100)))
    result = typed("show", bundle, "--part", "diff")
    assert "== timeline" not in result.output and "line 39" in result.output and "line 40" not in result.output
    assert "60 more lines" in result.output
    assert "line 99" in typed("show", bundle, "--part", "diff", "--verbose").output


def test_show_of_a_repro_runs_nothing(bundle, monkeypatch):
    monkeypatch.setattr("harness.subjects.find_one", lambda *_: pytest.fail("the scenario was looked for"))
    result = typed("show", bundle / "repro.json")
    assert result.exit_code == 0 and "death 1: power cut (strict)" in result.output
    assert typed("show", bundle / "repro.json", "--part", "diff").exit_code == 2


def test_a_stranger_s_bundle_does_not_speak_to_the_terminal(bundle):
    mean = "\x1b[2J\x1b]0;owned\x07\u202etxt\x9b"
    (bundle / "timeline.txt").write_text(mean)
    (bundle / "faults.json").write_text(json.dumps(mean))
    ledger = json.loads((bundle / "ledger.json").read_text())
    ledger["marks"][0]["event"] = mean
    (bundle / "ledger.json").write_text(json.dumps(ledger))
    repro = json.loads((bundle / "repro.json").read_text())
    repro["case"]["summary"] = mean
    (bundle / "repro.json").write_text(json.dumps(repro))
    output = typed("show", bundle).output
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(output)
    assert "\\x1b[2J" in output
