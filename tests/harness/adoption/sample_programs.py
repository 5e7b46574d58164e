"""Programs of somebody else, as `harness init` meets them: their files, and what a crash test must say of them."""

JOB_LOG = """
import json, os

class JobLog:
    def __init__(self, path):
        self.path = path

    def append(self, job):
        with open(self.path, "a") as log:
            log.write(json.dumps(job) + "\\n")
            log.flush()
            os.fsync(log.fileno())

    def __iter__(self):
        if not os.path.exists(self.path):
            return iter(())
        with open(self.path) as log:
            return iter([json.loads(line) for line in log if line.endswith("\\n")])
"""
"""Its folder is never synced."""

KEY_VALUE = """
import json
import os
from pathlib import Path

class Store:
    def __init__(self, folder: Path, *, indent: int = 0) -> None:
        self.file = folder / "store.json"
        self.values: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def put(self, key: str, value: str) -> None:
        self.values[key] = value
        new = self.file.with_suffix(".new")
        with new.open("w") as out:
            out.write(json.dumps(self.values))
            out.flush()
            os.fsync(out.fileno())
        os.replace(new, self.file)
        folder = os.open(self.file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
"""
"""Right."""

SESSION = """
import json

def save_session(path: str, session: dict) -> None:
    with open(path, "w") as out:
        json.dump(session, out)

def load_session(path: str) -> dict:
    with open(path) as file:
        return json.load(file)
"""
"""Written over itself, never synced."""

COUNTER = """
import asyncio, os

class Counter:
    def __init__(self, state_file):
        self.state_file = state_file

    async def record(self, amount: int, *, unit: bytes):
        await asyncio.sleep(1)
        descriptor = os.open(self.state_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, b"%d%s\\n" % (amount, unit))
        os.fsync(descriptor)
        os.close(descriptor)
        folder = os.open(os.path.dirname(self.state_file), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
"""
"""A coroutine, numbers, an argument by keyword, nothing that reads. A short write is not noticed."""

SHELL = """\
#!/bin/sh
set -e
cd "$1"
for value in 1 2; do
  echo "value $value" > state.new && mv state.new state
  echo "saved $value"
done
"""
