"""Advice for the litmus programs: each that is violated gets the syncs that mend it and no more, each that holds none.

The programs get source lines of their own, one for each thing that they do to one file: advice is per line.
"""

import msgspec
import pytest

from harness.advice.examination import Chosen, examine
from harness.advice.judged_story import Complaint, JudgedStory, Seen
from harness.advice.placement import Sync, placements, syncs
from harness.advice.search import Search, search
from harness.advice.superfluity import removals
from harness.advice.survey import in_words, survey
from harness.advice.variant import Story
from harness.disk import DiskImage
from harness.durability.litmus import Program, sweep
from harness.durability.litmus_programs import COLUMNS, TABLE
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.explore.inode_names import names_of
from harness.trace import Fsync, Item, Mark, Source

DISKS = [name for name in COLUMNS if name != "process"]

CELLS = [(program, column) for program in TABLE for column in DISKS]
HELD = [cell for cell in CELLS if cell[1] not in cell[0].violated]
REWRITTEN = [cell for cell in CELLS if cell[0].name == "truncate and rewrite in place"]
VIOLATED = [cell for cell in CELLS if cell[1] in cell[0].violated and cell not in REWRITTEN]

ADVISED = {
    "append and fsync, directory never synced": {"fsync the directory of log (/data) after create-log:1"},
    "append, never synced": {"fsync log after write-log:1"},
    "replace without the file's fsync": {"fsync tmp before the rename at rename-tmp:1"},
    "replace without the directory's sync": {"fsync the directory of state (/data) after rename-tmp:1"},
    "replace without any sync, atomicity only": {"fsync tmp before the rename at rename-tmp:1"},
    "replace without any sync, target absent before": {"fsync tmp before the rename at rename-tmp:1"},
    "append to a unsynced, then append and fsync b": {"fsync a after write-a:1"},
    "rotation without directory sync": {"fsync the directory of log (/data) after create-log:1"},
    "snapshot without the directory sync": {"fsync the directory of snapshot (/data) after rename-tmp:1"},
    "snapshot without its fsync": {"fsync tmp before the rename at rename-tmp:1"},
}


def ids(cells: list[tuple[Program, str]]) -> list[str]:
    return [f"{program.name}-{column}" for program, column in cells]


def lines_of(program: Program) -> list[Source]:
    """`write-state:1` for all writes to the file that was first called state, and so on."""
    names = names_of(program.base, program.items)

    def line(item: Item) -> str:
        what = names.get(getattr(item, "ino", 0), "").rpartition("/")[2]
        return f"{type(item).__name__.lower()}-{what}"

    return [Source(line(item), 1) for item in program.items]


def judged(program: Program) -> JudgedStory:
    acknowledged = [frozenset[int]()]
    for item in program.items:
        new = {int(item.event)} if isinstance(item, Mark) and item.kind in ("acknowledged", "observed") else set()
        acknowledged.append(acknowledged[-1] | new)

    def judge(position: int, state: CrashState, image: DiskImage) -> Seen:
        fulfilled = program.contract(image, acknowledged[position])
        complaint = Complaint("check-failed", program.name, f"broken at {position}")
        return Seen(() if fulfilled else (complaint,), tuple(image.paths()))

    story = Story(program.base, program.items, lines_of(program))
    return JudgedStory(program.name, story, judge, lambda position, _: acknowledged[position])


def never() -> bool:
    return False


def advice_for(program: Program, column: str) -> Search:
    told = judged(program)
    known = survey(told.story)
    return search(
        lambda chosen: [examine(told, profile(column), chosen, bound=65_536, stop=never)], known.executions, never
    )


def mended(program: Program, chosen: Chosen) -> Program:
    """The program with the syncs written into it, as a person would."""
    story = judged(program).story
    places = placements(story.items, story.sources)
    at: dict[int, list[int]] = {}
    for place in sorted(chosen):
        for occurrence in places[place]:
            at.setdefault(occurrence.position, []).append(occurrence.ino)
    items: list[Item] = []
    for position in range(len(program.items) + 1):
        items += [Fsync(ino) for ino in at.get(position, ())]
        items += program.items[position : position + 1]
    return msgspec.structs.replace(program, items=tuple(items))


def in_program(program: Program, syncs: dict[Sync, list[int]], sync: Sync) -> Program:
    items = [item for position, item in enumerate(program.items) if position not in syncs[sync]]
    return msgspec.structs.replace(program, items=tuple(items))


@pytest.mark.parametrize("program, column", HELD, ids=ids(HELD))
def test_a_program_that_holds_is_missing_nothing(program: Program, column: str) -> None:
    found = advice_for(program, column)
    assert found.verified
    assert found.chosen == frozenset()
    assert found.first[0].violations == 0


@pytest.mark.parametrize("program, column", VIOLATED, ids=ids(VIOLATED))
def test_what_is_advised_makes_the_program_hold_and_none_of_it_can_be_left_out(program: Program, column: str) -> None:
    found = advice_for(program, column)
    assert found.verified
    assert not found.last[0].unmendable
    assert sweep(mended(program, found.chosen), profile(column)).held
    for one in found.chosen:
        assert not sweep(mended(program, found.chosen - {one}), profile(column)).held
    places = survey(judged(program).story).placements
    assert {in_words(one, places[one]) for one in found.chosen} == ADVISED[program.name]


@pytest.mark.parametrize("program, column", REWRITTEN, ids=ids(REWRITTEN))
def test_no_sync_is_advised_where_none_can_mend(program: Program, column: str) -> None:
    found = advice_for(program, column)
    assert found.chosen == frozenset()
    assert [one.source for one in found.last[0].unmendable] == ["", "write-state:1"]


@pytest.mark.parametrize("program, column", HELD, ids=ids(HELD))
def test_a_sync_is_said_to_buy_nothing_exactly_where_the_program_holds_without_it(
    program: Program, column: str
) -> None:
    told = judged(program)
    there = syncs(program.base, program.items, told.story.sources)
    found = removals(told, profile(column), Chosen(), list(there), bound=65_536, stop=never)
    assert [one.sync for one in found] == list(there)
    for one in found:
        without = in_program(program, there, one.sync)  # type: ignore[arg-type]  # only syncs of the program were asked for
        assert one.outcome == ("nothing" if sweep(without, profile(column)).held else "matters"), one


def test_the_directory_sync_of_an_appended_log_matters_under_strict_only() -> None:
    program = TABLE[0]
    told = judged(program)
    there = syncs(program.base, program.items, told.story.sources)
    folder = next(one for one in there if one.folder == "/data")
    outcomes = {
        column: removals(told, profile(column), Chosen(), [folder], bound=65_536, stop=never)[0].outcome
        for column in DISKS
    }
    assert outcomes == {
        "strict": "matters", "ext4": "nothing", "ext4-documented": "nothing", "xfs": "nothing", "btrfs": "nothing",
    }  # fmt: skip


def test_disks_that_a_restart_cannot_tell_apart_are_judged_once_in_all_variants() -> None:
    told = judged(TABLE[0])
    examine(told, profile("strict"), Chosen(), bound=65_536, stop=never)
    asked = told.judged
    examine(told, profile("strict"), Chosen(), bound=65_536, stop=never)
    examine(told, profile("ext4"), Chosen(), bound=65_536, stop=never)
    assert told.judged == asked
