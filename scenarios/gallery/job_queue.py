"""A job queue: one line for each job that was put and each that was done, only ever appended; a torn end is cut off."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from harness import crash_test


class JobQueue:
    cuts_torn_end = True

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.pending, good = list[str](), 0
        for line in Path(path).read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n") or b"\0" in line:
                break
            good += len(line)
            self.apply(*json.loads(line))
        if self.cuts_torn_end:
            os.ftruncate(self.file, good)
        os.fsync(self.file)  # also what a process that was killed had only in the page cache
        folder = os.open(Path(path).parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def append(self, event: str, job: str) -> None:  # durable once it has returned; an OSError ends this queue
        line, file, self.file = json.dumps([event, job]).encode() + b"\n", self.file, -1
        if os.write(file, line) < len(line):
            raise OSError("the disk is full")
        os.fsync(file)
        self.file = file
        self.apply(event, job)

    def apply(self, event: str, job: str) -> None:
        self.pending = [*self.pending, job] if event == "put" else [other for other in self.pending if other != job]


class Mistaken(JobQueue):
    cuts_torn_end = False  # the next line is glued to the torn one, and lost with it


def test_no_job_is_lost_or_done_again(queue: type[JobQueue] = JobQueue) -> None:
    def workload(mark: Callable[[object], None]) -> None:
        jobs = queue("/data/jobs")
        for event in (("put", "wash"), ("put", "dry"), ("done", "wash")):
            jobs.append(*event)
            mark(event)

    def recovered(marks: list[object]) -> None:
        queue("/data/jobs").append("put", "fold")  # it goes on after the restart
        pending = queue("/data/jobs").pending
        assert "fold" in pending, "the job that was put after the restart is lost"
        assert ("put", "dry") not in marks or "dry" in pending, "a job is lost"
        assert ("done", "wash") not in marks or "wash" not in pending, "a job that was done is done again"

    crash_test(workload, recovered)
