"""The session file over every death and every failing call: what was told is there, and nothing half done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness import crash_test
from scenarios.voice_call.manager.config import SilentLog
from scenarios.voice_call.manager.session_file import Session, SessionLine
from scenarios.voice_call.manager.session_store import SessionStore, StaleSession
from scenarios.voice_call.manager.store import StoreUnavailable

ONE_KEY = "voice:1"
Mark = Callable[[Any], None]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Told(SessionStore):
    """Says before each change what is going to be written, and after it that this is safe."""

    mark: Mark = staticmethod(lambda value: None)

    def open(self) -> None:
        super().open()
        self.mark(("safe", said(self)))

    def rewrite(self, change: Callable[[dict[str, Session]], dict[str, Session]]) -> dict[str, Session]:
        def told(sessions: dict[str, Session]) -> dict[str, Session]:
            after = change(sessions)
            self.mark(("begun", as_said(after)))
            return after

        after = super().rewrite(told)
        self.mark(("safe", as_said(after)))
        return after


def as_said(sessions: dict[str, Session]) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {key: (one.generation, tuple(line.text for line in one.lines)) for key, one in sessions.items()}


def said(store: SessionStore) -> dict[str, tuple[int, tuple[str, ...]]]:
    return as_said(store.sessions)


def opened(kind: type[SessionStore] = SessionStore) -> SessionStore:
    store = kind("/data", log=SilentLog())
    store.open()
    return store


def with_line(text: str, generation: int) -> Callable[[Session | None], Session]:
    def change(session: Session | None) -> Session:
        session = session or Session(session_id="s", generation=generation, updated_at=1)
        spoken = SessionLine(call_id="c", index=len(session.lines), speaker="user", text=text, timestamp=1)
        return replace(session, lines=(*session.lines, spoken))

    return change


def play(steps: list[str], mark: Mark, *, patient: bool) -> None:
    """Each step is a letter: say, reset, late save, restart. `patient`: an error is told, and the play goes on."""
    kind = type("Marked", (Told,), {"mark": staticmethod(mark)})
    store = opened(kind)
    decided_for = store.generation(ONE_KEY)
    for number, step in enumerate(steps):
        try:
            if step == "say":
                store.update(ONE_KEY, store.generation(ONE_KEY), with_line(f"{number}", store.new_generation(ONE_KEY)))
            elif step == "reset":
                store.reset(ONE_KEY, f"s-{number}", {}, number)
            elif step == "late":
                store.update(ONE_KEY, decided_for, with_line(f"late {number}", 1))
            else:
                store = opened(kind)
                decided_for = store.generation(ONE_KEY)
        except StaleSession:
            continue
        except StoreUnavailable:
            if not patient:
                raise
            mark(("told", None))


def nothing_told_is_lost(marks: list[Any]) -> None:
    """What is found was told to be safe last, or begun since then."""
    safe = max((at for at, (word, _) in enumerate(marks) if word == "safe"), default=None)
    allowed: list[Any] = [{}] if safe is None else [marks[safe][1]]
    allowed += [value for word, value in marks[0 if safe is None else safe :] if word == "begun"]
    found = said(opened())
    assert found in allowed, f"found {found}, which was neither safe nor begun: {allowed}"


STORY = ["say", "say", "reset", "late", "say", "restart", "say"]


@pytest.mark.parametrize("profile", ["strict", "process", "ext4"])
def test_one_story_over_every_death_and_every_failing_call(profile: str) -> None:
    crash_test(lambda mark: play(STORY, mark, patient=False), nothing_told_is_lost, profile=profile)


def test_after_a_failure_that_was_told_the_story_goes_on() -> None:
    crash_test(lambda mark: play(STORY, mark, patient=True), nothing_told_is_lost)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(["say", "reset", "late", "restart"]), min_size=1, max_size=6))
def test_any_order_of_changes_and_restarts_over_every_death(steps: list[str]) -> None:
    crash_test(lambda mark: play(steps, mark, patient=True), nothing_told_is_lost, faults=False)


class Unsynced(SessionStore):
    def sync_directory(self, path: str) -> None:
        pass


def test_the_sweep_sees_a_directory_that_is_not_synced() -> None:
    def workload(mark: Mark) -> None:
        kind = type("Marked", (Told, Unsynced), {"mark": staticmethod(mark)})
        store = opened(kind)
        store.update(ONE_KEY, 0, with_line("one", 1))

    with pytest.raises(AssertionError, match="neither safe nor begun"):
        crash_test(workload, nothing_told_is_lost, faults=False)
