"""A small scenario with two workloads, a flaw, actions and probes: chunks of every kind, in seconds."""

import json
import os

from harness import Action, Guarantee, Scenario, World
from harness.scenario import Phase
from harness.verdict import Violation

PATH = "/data/queue"


class Queue:
    """Appends JSON lines; `careless` ones forget to sync."""

    def __init__(self) -> None:
        new = not os.path.exists(PATH)
        self.file = os.open(PATH, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        if new:
            folder = os.open("/data", os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        data = os.pread(self.file, 1 << 20, 0)
        whole = data.rfind(b"\n") + 1
        self.cut = len(data) - whole
        if self.cut:
            os.ftruncate(self.file, whole)
            os.fsync(self.file)
        self.jobs = [json.loads(line) for line in data[:whole].splitlines()]

    def put(self, job: str, careless: bool = False) -> None:
        os.write(self.file, json.dumps(job).encode() + b"\n")
        if not careless:
            os.fsync(self.file)
        self.jobs.append(job)


class JobQueue(Scenario):
    name = "jobs"
    probes = frozenset({"torn tail cut"})

    def workloads(self):
        return ("careful", "careless")

    def world(self, run, workload):
        return World()

    def boot(self, run, world):
        queue = Queue()
        if queue.cut:
            run.probe("torn tail cut")
        return queue

    def steps(self, run, world, subject, workload):
        for number in range(5):
            self.put(run, subject, f"{workload} {number}", workload == "careless")

    def put(self, run, subject, job, careless=False):
        run.mark("attempted", job)
        subject.put(job, careless)
        run.mark("acknowledged", job)

    def observe(self, run, world, subject):
        return tuple(subject.jobs)

    def actions(self):
        def put(run, world, subject):
            self.put(run, subject, f"drawn {len(subject.jobs)}")

        return (Action("put", put),)

    def contract(self):
        def judge(case):
            gone = [job for job in case.ledger.acknowledged if job not in (case.observed or ())]
            return [Violation("lost", "Jobs stay.", f"job {job} is gone") for job in gone[:1]]

        return [Guarantee("jobs", "Jobs stay.", judge, frozenset({Phase.RESTARTED, Phase.AGAIN}))]


class SlowQueue(JobQueue):
    """Each restart takes a while of real time: a run that can be killed in the middle."""

    name = "slow"
    rounds = 50_000

    def boot(self, run, world):
        for _ in range(self.rounds):
            pass
        return super().boot(run, world)


class SleepyQueue(SlowQueue):
    """As long as a test needs to interrupt it, on any machine."""

    name = "sleepy"
    rounds = 1_000_000


class SleepyFlaw(SleepyQueue):
    """The same, and what it does wrong shows in the first chunks."""

    name = "sleepy flaw"

    def workloads(self):
        return ("careless",)
