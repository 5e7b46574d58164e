"""A plain key-value store: one JSON file, written anew beside the old one, which it then replaces."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from harness import crash_test


class KeyValueStore:
    def __init__(self, folder: str) -> None:
        self.file = Path(folder, "store.json")
        self.values: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}

    def put(self, key: str, value: str) -> None:
        """Durable once it has returned; an OSError says that it may be there or not."""
        values = {**self.values, key: value}
        new = self.file.with_suffix(".new")
        with new.open("w") as out:
            json.dump(values, out)
            out.flush()
            self.sync(out.fileno())  # first the bytes …
        new.replace(self.file)
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # … then the name
        finally:
            os.close(folder)
        self.values = values

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)


class Mistaken(KeyValueStore):
    """Trusts the rename to bring the bytes along: after a power cut the new name may stand for an empty file."""

    def sync(self, descriptor: int) -> None:
        pass


def test_what_was_put_is_there(store: type[KeyValueStore] = KeyValueStore) -> None:
    writes = (("colour", "red"), ("size", "small"), ("colour", "blue"))

    def workload(mark: Callable[[object], None]) -> None:
        values = store("/data")
        for key, value in writes:
            values.put(key, value)
            mark((key, value))

    def recovered(marks: list[object]) -> None:
        after = [dict(writes[:number]) for number in range(len(writes) + 1)]
        assert store("/data").values in after[len(marks) :], "a write that was promised is gone"

    crash_test(workload, recovered)
