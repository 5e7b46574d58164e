"""Job logs in several qualities, for tests that need a subject: each is the program of DESIGN's ten-line example."""

import json
import os


class JobLog:
    """An append-only log of JSON lines: synced, its folder synced too, a torn tail ignored and cut."""

    sync_file = True
    sync_folder = True

    def __init__(self, path: str) -> None:
        self.path = path
        new = not os.path.exists(path)
        self.file = open(path, "ab+")  # noqa: SIM115  # it lives as long as the log
        if new and self.sync_folder:
            self._sync_folder()
        self.file.seek(0)
        data = self.file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self.file.truncate(whole)
            os.fsync(self.file.fileno())
        self.jobs = [json.loads(line) for line in data[:whole].splitlines()]

    def append(self, job: int) -> None:
        self.file.write(json.dumps(job).encode() + b"\n")
        self.file.flush()
        if self.sync_file:
            os.fsync(self.file.fileno())

    def __iter__(self):
        return iter(self.jobs)

    def _sync_folder(self) -> None:
        folder = os.open(os.path.dirname(self.path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class UnsyncedLog(JobLog):
    sync_file = False


class NamelessLog(JobLog):
    sync_folder = False
