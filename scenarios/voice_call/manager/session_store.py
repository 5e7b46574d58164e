"""The sessions of all callers: one file, replaced as a whole.

Every change is a read-modify-write under one lock, with a fresh read: what another writer, a hand or damage made of
the file meanwhile counts, not what is remembered here. A change names the generation it was decided for and is refused
when a reset came in between, so a late save restores nothing. A change is durable when it returns: temporary file,
fsync, rename, fsync of the directory. One that failed changed nothing; only where the very last step fails nobody
knows which of the two files a power cut leaves, and the next change writes anew.

The file costs its whole length for each change: it is for the recent lines of some hundred callers, not for an
archive. What it says can be derived from the records of the calls, except which lines were said before a reset: when
a damaged file is rebuilt, those are back, and this is told. It is opened after the store, whose lock makes this
process its only writer.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.manager.config import EventLog
from scenarios.voice_call.manager.replaced_file import ReplacedFile
from scenarios.voice_call.manager.session_file import (
    DamagedFile,
    NewerFile,
    Session,
    SessionFile,
    decode_file,
    encode_file,
)
from scenarios.voice_call.manager.store_directory import StoreUnavailable

FILE_NAME = "sessions.json"
TEMPORARY_NAME = "sessions.json.tmp"
ABSENT = 0
"""The generation of a session that does not exist."""

_READ_SIZE = 1 << 20
_EMPTY = SessionFile({}, {})


class StaleSession(Exception):
    """The session is of another generation than the change was decided for: look again, decide again."""


class Update(msgspec.Struct, frozen=True):
    """A change of one session, decided for one generation of it (`ABSENT`: for there being none)."""

    key: str
    generation: int
    change: Callable[[Session | None], Session]


class SessionStore(ReplacedFile):
    """The session file of one directory. `sessions` is what it said last."""

    def __init__(self, directory: str, *, log: EventLog) -> None:
        super().__init__(directory, FILE_NAME, TEMPORARY_NAME, log)
        self.is_open = False
        self.drifted: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._file = _EMPTY
        self._bytes: bytes | None = None
        self._highest: dict[str, int] = {}
        self._unsettled = False

    @property
    def sessions(self) -> dict[str, Session]:
        """The sessions as last written or read; not to be changed."""
        return self._file.sessions

    def generation(self, key: str) -> int:
        """The generation to decide a change for."""
        session = self.sessions.get(key)
        return ABSENT if session is None else session.generation

    def new_generation(self, key: str) -> int:
        """A generation this key never had here, not even before its file was damaged."""
        return max(self._highest.get(key, ABSENT), self.generation(key)) + 1

    # --- life ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Read what is there; it is durable when this returns.

        Raises StoreUnavailable: absent is not unreadable.
        """
        with self._lock:
            try:
                self.remove_leftovers()
                self._publish(self.read())
                # Whoever renamed the file may have died before syncing its name.
                self.sync_directory(self.directory)
            except OSError as error:
                raise StoreUnavailable(f"cannot open {self.path}: {error}; nothing was changed in it") from error
            self.is_open = True

    def close(self) -> None:
        """From here on nothing is written; everything told is already synced. A second call does nothing."""
        self.is_open = False

    # --- changing ------------------------------------------------------------------------------------------------

    def update(self, key: str, generation: int, change: Callable[[Session | None], Session]) -> Session:
        """Change one session, if it is still of this generation. Raises StaleSession, StoreUnavailable."""
        return self.update_all([Update(key, generation, change)])[key]

    def update_all(self, updates: Sequence[Update]) -> dict[str, Session]:
        """Change several sessions in one write: all of them, or none."""

        def changed(sessions: dict[str, Session]) -> dict[str, Session]:
            after = dict(sessions)
            for update in updates:
                current = after.get(update.key)
                generation = ABSENT if current is None else current.generation
                if generation != update.generation:
                    raise StaleSession(f"session {update.key!r} is of generation {generation}, not {update.generation}")
                after[update.key] = update.change(current)
            return after

        return self.rewrite(changed)

    def reset(self, key: str, session_id: str, seen: dict[str, int], now: int) -> Session:
        """Begin a session anew: no lines, the next generation. Of the calls in `seen` so many lines are over.

        Raises StoreUnavailable.
        """

        def begun_anew(sessions: dict[str, Session]) -> dict[str, Session]:
            old = sessions.get(key) or Session(session_id=session_id, generation=ABSENT, updated_at=now)
            generation = max(old.generation + 1, self.new_generation(key))
            fresh = replace(old, session_id=session_id, generation=generation, lines=(), seen=old.seen | seen)
            return sessions | {key: replace(fresh, updated_at=now)}

        return self.rewrite(begun_anew)[key]

    def rewrite(self, change: Callable[[dict[str, Session]], dict[str, Session]]) -> dict[str, Session]:
        """Read, change, write; one after the other. Raises StoreUnavailable and what `change` raises."""
        with self._lock:
            if not self.is_open:
                raise StoreUnavailable(f"{self.path} is closed; this writer's time is over")
            try:
                found = self.read_again()
                changed = SessionFile(change(found.sessions), found.envelope)
                if changed != found or self._unsettled:
                    self.replace(changed)
            except OSError as error:
                raise StoreUnavailable(f"{self.path}: the session was not written: {error}") from error
        return changed.sessions

    def read_again(self) -> SessionFile:
        """What the file says now. Where that is not what is known here, it counts, and who follows is told."""
        known, found = self._file, self.read()
        if found is not known and found != known:
            self._publish(found)
            self.drifted()
        return found

    def _publish(self, file: SessionFile) -> None:
        self._file = file
        for key, session in file.sessions.items():
            self._highest[key] = max(self._highest.get(key, ABSENT), session.generation)

    # --- the file ------------------------------------------------------------------------------------------------

    def read(self) -> SessionFile:
        """What the file says; a damaged one is put aside, and nothing is there. Raises OSError, StoreUnavailable."""
        data = self.read_bytes()
        if data is None:
            self._bytes = None
            return _EMPTY
        if data == self._bytes:
            return self._file
        try:
            file = decode_file(data)
        except NewerFile as newer:
            message = f"{self.path}: {newer}; use the program that wrote it, or move the file away"
            raise StoreUnavailable(message) from newer
        except DamagedFile as damage:
            self.put_aside(str(damage))
            self._bytes = None
            return _EMPTY
        self._bytes = data
        return file

    def read_bytes(self) -> bytes | None:
        """The whole file; None when there is none, and only then."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            parts = []
            while part := os.read(fd, _READ_SIZE):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(fd)

    def put_aside(self, why: str) -> None:
        """Keep a damaged file under another name; what can be derived is brought over again."""
        number = 1
        while os.path.lexists(f"{self.path}.damaged-{number}"):
            number += 1
        kept = f"{self.path}.damaged-{number}"
        os.rename(self.path, kept)
        self.sync_directory(self.directory)
        self._log.error("session-rebuilt", kept=kept, why=why)

    def replace(self, file: SessionFile) -> None:
        """Write, sync, rename, sync the directory. Raises OSError."""
        content = encode_file(file)
        fd = self.make_temporary(os.O_WRONLY)
        try:
            try:
                self.fill(fd, [content])
            finally:
                os.close(fd)
            os.rename(self.temporary, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(self.temporary)
            raise
        # The new file is there for every reader from here on, so it is what is known, also where the caller is told that
        # the change may not last: for a power cut it is there only once the directory is synced.
        self._bytes, self._unsettled = content, True
        self._publish(file)
        self.sync_directory(self.directory)
        self._unsettled = False
