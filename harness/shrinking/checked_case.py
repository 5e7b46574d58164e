"""A case of `harness crash` made smaller: less missing, an earlier kill-point, with the checker's same verdict.

Each try restores a disk and runs the checker once. The recorded run is what it is: its program is not run again.
"""

import msgspec

from harness.anyprogram.case_file import CaseFile, Finding, case_of, run_of_case
from harness.anyprogram.causes import groups_of
from harness.anyprogram.checker import Answer, Checker
from harness.anyprogram.exposure import exposing
from harness.anyprogram.recorded_run import RecordedRun
from harness.anyprogram.state_folder import StateFolder
from harness.anyprogram.state_home import state_home
from harness.anyprogram.strays import Strays
from harness.anyprogram.sweep import Hit
from harness.disk import DiskImage
from harness.durability.legality import image_of
from harness.durability.state import CrashState
from harness.durability.trees import CrashImage
from harness.shrinking.attempts import Attempts
from harness.shrinking.crash_state import smallest_state


class ShrunkCheck(msgspec.Struct, frozen=True):
    """`case` is None where the checker says something else now; it is the given one where nothing was found smaller."""

    case: CaseFile | None
    tries: int
    cut_short: bool


def size_of_check(case: CaseFile) -> str:
    """How much there is to the case, in words."""
    missing = len(case.state.missing) + (case.state.cut is not None)
    return f"1 death, {missing} piece{'' if missing == 1 else 's'} missing, killed at {case.state.position}"


def shrink_check(case: CaseFile, used: Checker, budget_s: float) -> ShrunkCheck:
    """The smallest case that is found within `budget_s` seconds. Raises CaseError, CheckerError, StateFolderError."""
    run, image = run_of_case(case)
    attempts = Attempts(budget_s)
    with state_home(run.largest_state) as home:
        folder = StateFolder(home / "w0")

        def answer(state: CrashState, disk: DiskImage) -> Answer:
            with Strays() as strays:
                root = folder.restore(disk)
                try:
                    return used.check(root, run.input_at(min(state.position, run.end)))
                finally:
                    strays.end_of(root)

        def refused(state: CrashState) -> bool:
            if not attempts.another():
                return False
            try:
                disk = image_of(run.base, run.items, state)
            except ValueError:  # not a disk that may be found
                return False
            return answer(state, disk).verdict == case.found.verdict

        attempts.made += 1
        if answer(case.state, image).verdict != case.found.verdict:
            return ShrunkCheck(None, attempts.made, attempts.cut_short)
        state = smallest_state(run.base, run.items, 0, case.state, refused)
        if state == case.state:
            return ShrunkCheck(case, attempts.made, attempts.cut_short)
        disk = image_of(run.base, run.items, state)
        return ShrunkCheck(_case(run, state, disk, answer(state, disk), used), attempts.made, attempts.cut_short)


def _case(run: RecordedRun, state: CrashState, disk: DiskImage, answer: Answer, used: Checker) -> CaseFile:
    image = CrashImage.of(disk)
    hit = Hit(run.told_at(state.position), state.position, state, image.state_key, image, answer)
    (group,) = groups_of(run, [hit])
    profiles = exposing(run, hit, frozenset([hit.key]))
    found = Finding(answer.verdict, answer.summary, group.operation, group.source, profiles)
    return case_of(run, hit, found, used)
