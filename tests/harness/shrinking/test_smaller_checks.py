"""Cases of `harness crash`, shrunk with their own checker."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from harness.anyprogram.case_file import Finding, case_of, load_case, save_case
from harness.anyprogram.checker import checker
from harness.anyprogram.recorded_run import run_of
from harness.anyprogram.sweep import Hit
from harness.cli import main
from harness.durability.crash_states import CrashStates
from harness.durability.legality import image_of
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.durability.trees import CrashImage
from harness.trace import Create, Fsync, Mark, Program, Source, Trace, Write

CHECK = """\
#!/bin/sh
while read -r line; do
  grep -qx "$line" log 2>/dev/null || { echo "$line is lost"; exit 1; }
done
"""


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three lines that were never synced, all of them lost at the end, beside a file that nobody looks at."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "log.sh"
    script.write_text(CHECK)
    script.chmod(0o755)
    trace = Trace([], Program(("./a",)))
    items = [Create(2, 1, "log"), Fsync(1), Create(3, 1, "other"), Write(3, 0, b"x" * 3000)]
    for number in range(3):
        items += [Write(2, 5 * number, b"rec%d\n" % number), Mark("printed", f"rec{number}")]
    for number, item in enumerate(items):
        trace.record(item, None if isinstance(item, Mark) else Source("a.py", number + 1), float(number))
    run = run_of("a.trace", trace)
    walk = CrashStates(run.base, profile("strict"))
    for position, item in enumerate(run.items):
        walk.feed(position, item)
    missing = tuple(unit.id for bit, unit in walk.disk.units.items() if bit & walk.disk.pending)
    state = CrashState("strict", run.end, missing)
    image = CrashImage.of(image_of(run.base, run.items, state))
    used = checker("./log.sh", time_limit_s=10.0)
    answer_of_nothing = msgspec.structs.replace(_answer(used, tmp_path), summary="")
    hit = Hit(run.told_at(run.end), run.end, state, image.state_key, image, answer_of_nothing)
    found = Finding("check-failed", "rec0 is lost", "", "", ("strict",))
    return save_case(case_of(run, hit, found, used), tmp_path)


def _answer(used, folder):
    empty = folder / "empty"
    empty.mkdir()
    return used.check(empty, b"rec0\n")


def test_one_lost_piece_at_the_first_line_is_enough(large: Path) -> None:
    before = load_case(large)
    result = CliRunner().invoke(main, ["shrink", str(large), "--json", "told.json"])
    assert result.exit_code == 1, result.output
    told = json.loads(Path("told.json").read_text())
    after = load_case(Path(told["repro"]))
    assert len(before.state.missing) > 10 and len(after.state.missing) == 1
    assert after.state.position < before.state.position
    assert after.found.verdict == "check-failed" and after.found.summary == "rec0 is lost"
    assert after.found.source == "a.py:5" and "strict" in after.found.profiles
    assert CliRunner().invoke(main, ["replay", told["repro"], "-q"]).exit_code == 1


def test_a_checker_that_is_content_now_has_nothing_to_shrink(large: Path) -> None:
    Path("log.sh").write_text("#!/bin/sh\nexit 0\n")
    result = CliRunner().invoke(main, ["shrink", str(large)])
    assert result.exit_code == 0 and "does not show any more" in result.output
