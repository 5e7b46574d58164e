"""A tiny at-least-once queue client as a subject: it journals jobs, acknowledges them, and confirms each to a broker.

The correct one, and variants that are wrong in one place each: subjects for tests of the explorer.
"""

import asyncio
import json
import os

import msgspec

from harness import Action, Guarantee, Phase, Scenario, World
from harness.verdict.vocabulary import violation

PATH = "/data/jobs.jsonl"


class Broker(World):
    """The outside: it hands out jobs, redelivers what was not acknowledged, and counts confirmations."""

    def __init__(self):
        self.jobs = ()
        self.acknowledged = frozenset()
        self.confirmed = ()

    def snapshot(self):
        return self.jobs, self.acknowledged, self.confirmed

    def restore(self, snapshot):
        self.jobs, self.acknowledged, self.confirmed = snapshot

    def attach(self, run):
        self.run = run

    def deliver(self, client, job):
        if job not in self.jobs:
            self.jobs = (*self.jobs, job)
            self.version += 1
        self.run.mark("attempted", str(job))
        try:
            client.take(job)
        except OSError:
            self.run.mark("refused", str(job))
            return
        self.run.mark("acknowledged", str(job))  # the death before it comes before the broker knows
        self.acknowledged |= {job}
        self.version += 1

    def redeliver(self, client):
        for job in self.jobs:
            if job not in self.acknowledged:
                self.deliver(client, job)


class Client:
    """The subject. `synced`: the journal's file and folder are synced; `repairs`: a torn tail is cut at start."""

    synced = True
    repairs = True
    dedupes = True

    def __init__(self, run):
        self.run = run
        self.journal = open(PATH, "ab+")  # noqa: SIM115  # it lives as long as the client
        self.journal.seek(0)
        data = self.journal.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data) and self.repairs:
            run.probe("torn tail cut")
            self.journal.truncate(whole)
        if self.synced:
            os.fsync(self.journal.fileno())  # also what a killed process before us had only in the page cache
            folder = os.open("/data", os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        self.good = whole
        self.jobs = [json.loads(line) for line in data[:whole].splitlines()]

    def take(self, job):
        if self.dedupes and job in self.jobs:
            return
        try:
            self.journal.write(json.dumps(job).encode() + b"\n")
            self.journal.flush()
            if self.synced:
                os.fsync(self.journal.fileno())
        except OSError:
            self.cut_back()
            raise
        self.good = self.journal.tell()
        self.jobs.append(job)

    def cut_back(self):
        """What a failed append left must not be found later; a journal that cannot be cut takes nothing any more."""
        if isinstance(self.journal, Closed):
            return
        journal, self.journal = self.journal, Closed()  # first: the close may fail as well
        raw = journal.raw
        try:
            os.ftruncate(raw.fileno(), self.good)
            os.fsync(raw.fileno())
        finally:
            raw.close()


class Closed:
    def write(self, data):
        raise OSError(5, "the journal is closed")


class Seen(msgspec.Struct, frozen=True):
    jobs: tuple


def judge(case):
    if case.observed is None:
        return []
    found = list(case.observed.jobs)
    told = [
        violation("lost", f"job {job} was acknowledged and is gone", str(job))
        for job in sorted(case.world.acknowledged - set(found))
    ]
    told += [violation("double-applied", f"job {job} is there {found.count(job)} times", str(job))
             for job in sorted(set(found)) if found.count(job) > 1]  # fmt: skip
    if case.phase is Phase.AGAIN and case.previous is not None and case.previous != case.observed:
        told.append(
            violation("not-idempotent", f"{case.previous.jobs} became {case.observed.jobs} by one more restart")
        )
    return told


class Queue(Scenario):
    """Three jobs, one of them delivered twice."""

    name = "queue"
    client = Client

    def world(self, run, workload):
        return Broker()

    def boot(self, run, world):
        return self.client(run)

    def steps(self, run, world, subject, workload):
        for job in (1, 2, 2, 3):
            world.deliver(subject, job)

    def observe(self, run, world, subject):
        return Seen(tuple(subject.jobs))

    def settle(self, run, world, subject):
        world.redeliver(subject)

    def contract(self):
        return [Guarantee("jobs", "Every acknowledged job is there once.", judge)]

    def actions(self):
        from hypothesis import strategies as st

        return [
            Action("deliver", lambda run, world, subject, job: world.deliver(subject, job), {"job": st.integers(1, 3)})
        ]


class Probed(Queue):
    name = "probed"
    probes = frozenset({"torn tail cut"})


class NeverHit(Queue):
    name = "never-hit"
    probes = frozenset({"torn tail cut", "a moon of cheese"})


class AsyncQueue(Queue):
    """The same by coroutines, with time between the jobs."""

    name = "async-queue"

    async def boot(self, run, world):
        await asyncio.sleep(0.1)
        return self.client(run)

    async def steps(self, run, world, subject, workload):
        for job in (1, 2):
            await asyncio.sleep(60)
            world.deliver(subject, job)

    async def observe(self, run, world, subject):
        return Seen(tuple(subject.jobs))

    async def settle(self, run, world, subject):
        await asyncio.sleep(3600)
        world.redeliver(subject)


class Unsynced(Client):
    synced = False


class Unsyncing(Queue):
    name = "unsyncing"
    client = Unsynced


class KeepsTorn(Client):
    """Leaves a torn tail where it is; the next job is glued to it."""

    repairs = False


class TornKeeping(Queue):
    name = "torn-keeping"
    client = KeepsTorn


class Doubling(Client):
    dedupes = False


class Doubled(Queue):
    name = "doubled"
    client = Doubling


class Counting(Client):
    """Recovery rewrites the journal, with one more generation each time: never the same twice."""

    def __init__(self, run):
        super().__init__(run)
        if self.jobs:
            self.jobs = [*self.jobs, 100 + len(self.jobs)]
            self.journal.write(f"{self.jobs[-1]}\n".encode())
            self.journal.flush()
            os.fsync(self.journal.fileno())


class Drifting(Queue):
    name = "drifting"
    client = Counting


class Rewriting(Client):
    """Recovery truncates the journal and writes it anew: right, unless recovery itself is killed."""

    def __init__(self, run):
        super().__init__(run)
        if self.jobs and run.ledger.marks:
            os.ftruncate(self.journal.fileno(), 0)
            self.journal.write("".join(f"{json.dumps(job)}\n" for job in self.jobs).encode())
            self.journal.flush()
            os.fsync(self.journal.fileno())


class FragileRecovery(Queue):
    name = "fragile-recovery"
    client = Rewriting


class Trusting(Client):
    """Syncs what it writes, and trusts what it finds: what a killed process left in the page cache is never synced."""

    def __init__(self, run):
        self.run = run
        new = not os.path.exists(PATH)
        self.journal = open(PATH, "ab+")  # noqa: SIM115  # it lives as long as the client
        if new:
            folder = os.open("/data", os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        self.journal.seek(0)
        data = self.journal.read()
        self.good = data.rfind(b"\n") + 1
        if self.good < len(data):
            self.journal.truncate(self.good)
            os.fsync(self.journal.fileno())
        self.jobs = [json.loads(line) for line in data[: self.good].splitlines()]


class KillThenPower(Queue):
    name = "kill-then-power"
    client = Trusting
