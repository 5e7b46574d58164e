"""A journal of JSON lines: an event that `append` answered True for is found after every restart.

After a failed sync nobody knows what the disk holds and what the page cache only pretends (Rebello et al., ATC'20): the
event is refused, the segment given up for good, and the next event begins a new one. Not modelled: compaction.
"""

import contextlib
import json
import os
from typing import Any

Event = dict[str, Any]


class Journal:
    """One writer in `folder`. `events` by id, in the order in which they came. Raises OSError where it cannot start."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.events: dict[str, Event] = {}
        self.segment: int | None = None  # the descriptor
        names = sorted(os.listdir(folder))
        self.number = int(names[-1].partition(".")[0]) if names else 0
        for name in names:
            with open(f"{folder}/{name}", "rb") as file:
                self.read(file.read())
        if self.events:
            # What was read may be in the page cache only, left there by a sync that failed before the restart.
            self.write(list(self.events.values()))

    def read(self, content: bytes) -> None:
        with contextlib.suppress(ValueError):  # a line that was never finished: nothing after it was acknowledged
            for line in content.splitlines(keepends=True):
                event = json.loads(line)
                self.events[event["id"]] = event

    def append(self, event: Event) -> bool:
        """Whether the event is durable; after False it may be there or not, and should be sent again."""
        if event["id"] not in self.events:
            try:
                self.write([event])
            except OSError:
                return False
            self.events[event["id"]] = event
        return True

    def write(self, events: list[Event]) -> None:
        try:
            if self.segment is None:
                self.segment = self.new_segment()
            data = b"".join(json.dumps(event).encode() + b"\n" for event in events)
            while data:
                data = data[os.write(self.segment, data) :]
            self.sync(self.segment)
        except OSError:
            self.close()
            raise

    def path(self) -> str:
        return f"{self.folder}/{self.number:06}.jsonl"

    def new_segment(self) -> int:
        self.number += 1
        segment = os.open(self.path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        try:
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                self.sync(folder)
            finally:
                os.close(folder)
        except OSError:
            os.close(segment)
            raise
        return segment

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)
        os.fsync(descriptor)  # ext4 with data=journal tells a failure at the next sync only

    def close(self) -> None:
        """Let go of the segment: what it holds was synced before it was acknowledged."""
        segment, self.segment = self.segment, None
        if segment is not None:
            with contextlib.suppress(OSError):
                os.close(segment)
