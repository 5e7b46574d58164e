"""From the transcripts of calls to the sessions of those who called: what is missing there is owed.

The debt is the difference between a record's transcript and what its session has seen of it, so nothing but these two
is kept: it is the same after a restart, and bringing a line over twice changes nothing. Every line of a call with a
session key is in its session once; what was said before a reset is not, also when it had not been brought over yet.

Not modelled: a log that lost lines of a transcript in its middle. What was brought over stays, the count begins anew.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from scenarios.voice_call.manager.duties import Duty
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.session_file import Session, SessionLine
from scenarios.voice_call.manager.session_store import SessionStore, StaleSession, Update
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import Switchboard

SESSION = "session"


class SessionBridge:
    """Brings lines over, and answers for sessions. Without `Config.session_bridge` it does nothing at all."""

    def __init__(self, desk: Switchboard, store: SessionStore) -> None:
        self.desk = desk
        self.store = store
        self.store.drifted = self.follow_all

    @property
    def on(self) -> bool:
        """Whether transcripts are bridged."""
        return self.desk.config.session_bridge

    # --- life ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """After the log. Raises StoreUnavailable."""
        if self.on:
            self.store.open()

    def catch_up(self) -> None:
        """Bring over everything owed, as well as it goes: what cannot be written stays owed, and is told."""
        if not self.store.is_open:
            return
        try:
            self.bring_all()
        except (StoreUnavailable, StaleSession) as error:
            self.desk.log.warning("session-write-failed", why=str(error))

    def close(self) -> None:
        """From here on nothing is written."""
        self.store.close()

    # --- what is owed --------------------------------------------------------------------------------------------

    def duties(self, record: CallRecord, now: int) -> dict[str, Duty]:
        """The timer a record asks for: at once, when its session is behind."""
        return {SESSION: Duty(now, False)} if self.is_behind(record) else {}

    def is_behind(self, record: CallRecord) -> bool:
        """Whether lines of this call are not in its session yet."""
        if not self.on or record.session_key is None:
            return False
        return _seen(self.store.sessions.get(record.session_key), record) != len(record.transcript)

    def follow_all(self) -> None:
        """The sessions are others than was thought: every call may owe lines again."""
        for record in self.desk.book.all():
            self.desk.journal.follow(record)

    async def bring_over(self, call_id: str) -> None:
        """Bring one session up to date with one call. Raises StoreUnavailable or StaleSession; it stays owed then."""
        record = self.desk.book.get(call_id)
        if record is None or not self.is_behind(record):
            return
        try:
            self.bring([record])
        except StaleSession:
            # The file is another than was thought: perhaps all sessions are to be filled, in the order of their lines.
            self.bring_all()
        except StoreUnavailable as error:
            self.desk.log.warning("session-write-failed", call=call_id, why=str(error))
            raise

    def bring_all(self) -> None:
        """Bring over everything owed. Raises StoreUnavailable or StaleSession."""
        self.bring([record for record in self.desk.book.all() if self.is_behind(record)])

    def bring(self, records: Iterable[CallRecord]) -> None:
        """Bring over what these calls owe, in one write. Raises StoreUnavailable or StaleSession."""
        behind: dict[str, list[CallRecord]] = {}
        for record in records:
            if record.session_key is not None:
                behind.setdefault(record.session_key, []).append(record)
        if behind:
            self.store.update_all([self.update_for(key, calls) for key, calls in behind.items()])
            self.desk.log.info("session-bridged", calls=[record.call_id for one in behind.values() for record in one])

    def update_for(self, key: str, records: Iterable[CallRecord]) -> Update:
        """The change that brings a session up to date with these calls."""
        fresh_id = self.desk.new_id() if key not in self.store.sessions else ""
        generation = self.store.new_generation(key)
        return Update(key, self.store.generation(key), self.bringing(records, fresh_id, generation))

    def bringing(
        self, records: Iterable[CallRecord], fresh_id: str, fresh_generation: int
    ) -> Callable[[Session | None], Session]:
        """The session with what it has not seen of these calls; a new one under this id where there is none."""
        now = self.desk.journal.now()

        def brought(session: Session | None) -> Session:
            if session is None:
                session = Session(session_id=fresh_id, generation=fresh_generation, updated_at=now)
            unseen = in_order([(record, _seen(session, record)) for record in records])
            seen = session.seen | {record.call_id: len(record.transcript) for record in records}
            lines = (*session.lines, *unseen)
            lines = lines[max(0, len(lines) - self.desk.config.session_lines) :]
            return replace(session, lines=lines, seen=self.remembered(seen), updated_at=now)

        return brought

    def remembered(self, seen: dict[str, int]) -> dict[str, int]:
        """Without the calls that the log has forgotten: they say nothing more. Damage is not forgetting."""
        if self.desk.journal.quarantined:
            return seen
        return {call: lines for call, lines in seen.items() if self.desk.book.get(call) is not None}

    # --- what callers may ask ------------------------------------------------------------------------------------

    async def reset(self, key: str) -> None:
        """Begin a session anew; all that was said so far is over. Raises StoreUnavailable."""
        if not self.on:
            raise StoreUnavailable("sessions are not kept: set session_bridge")
        calls = [record for record in self.desk.book.all() if record.session_key == key]
        seen = {record.call_id: len(record.transcript) for record in calls}
        try:
            session = self.store.reset(key, self.desk.new_id(), seen, self.desk.journal.now())
        except StoreUnavailable as error:
            self.desk.log.warning("session-write-failed", calls=len(calls), why=str(error))
            raise
        self.desk.log.info("session-reset", session=session.session_id, generation=session.generation)
        for record in calls:
            self.desk.journal.follow(record)

    def session(self, key: str) -> dict[str, Any] | None:
        """One session, a copy; None when there is none."""
        session = self.store.sessions.get(key)
        return None if session is None else _session_view(session)

    def view(self) -> dict[str, dict[str, Any]]:
        """All sessions by their keys, copies."""
        return {key: _session_view(session) for key, session in self.store.sessions.items()}


def in_order(calls: Iterable[tuple[CallRecord, int]]) -> list[SessionLine]:
    """The lines of these calls, each from its number on, by time; those of one call keep their order."""
    timed: list[tuple[int, SessionLine]] = []
    for record, start in calls:
        latest = 0
        for index in range(start, len(record.transcript)):
            line = record.transcript[index]
            latest = max(latest, line.timestamp)
            bridged = SessionLine(
                call_id=record.call_id, index=index, speaker=line.speaker, text=line.text, timestamp=line.timestamp
            )
            timed.append((latest, bridged))
    return [line for _, line in sorted(timed, key=lambda one: one[0])]


def _seen(session: Session | None, record: CallRecord) -> int:
    return 0 if session is None else session.seen.get(record.call_id, 0)


def _session_view(session: Session) -> dict[str, Any]:
    return {
        "sessionId": session.session_id,
        "generation": session.generation,
        "updatedAt": session.updated_at,
        "lines": [
            {
                "callId": line.call_id,
                "index": line.index,
                "speaker": line.speaker,
                "text": line.text,
                "timestamp": line.timestamp,
            }
            for line in session.lines
        ],
    }
