"""A session file: there while somebody is signed in, gone afterwards. What has ended must not come back."""

import os
from collections.abc import Callable
from pathlib import Path

from harness import crash_test


class SessionFile:
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.file = self.folder / "session"
        self.sync_folder()  # a process that was killed may have left a change that is not durable

    @property
    def user(self) -> str | None:
        return self.file.read_text() if self.file.exists() else None

    def begin(self, user: str) -> None:
        new = self.file.with_suffix(".new")
        with new.open("w") as out:
            out.write(user)
            out.flush()
            os.fsync(out.fileno())
        new.replace(self.file)
        self.sync_folder()

    def end(self) -> None:
        self.file.unlink()
        self.sync_folder()  # without it, the name may be there again after a power cut

    def sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


class Mistaken(SessionFile):
    """Takes the file away and thinks that this is all."""

    def end(self) -> None:
        self.file.unlink()


def test_a_session_that_was_ended_stays_ended(session: type[SessionFile] = SessionFile) -> None:
    def workload(mark: Callable[[object], None]) -> None:
        current = session("/data")
        current.begin("ada")
        mark("signed in")
        current.end()
        mark("signed out")

    def recovered(marks: list[object]) -> None:
        user = session("/data").user
        assert user in (None, "ada"), f"half a session: {user!r}"
        assert "signed out" not in marks or user is None, "a session that was ended is active again"

    crash_test(workload, recovered)
