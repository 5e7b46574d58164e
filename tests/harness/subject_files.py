"""Sources of small test files that the command line and the pytest plugin are pointed at."""

HEAD = """
import os
from harness import crash_test

PATH = "/data/log"

def save(text, sync=True):
    with open(PATH, "a") as file:
        file.write(text + "\\n")
        file.flush()
        if sync:
            os.fsync(file.fileno())
    folder = os.open("/data", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)

def recovered(marks):
    found = open(PATH).read().splitlines() if os.path.exists(PATH) else []
    assert set(marks) <= set(found), f"lost {sorted(set(marks) - set(found))}"

def good(mark):
    save("1")
    mark("1")

def bad(mark):
    save("1", sync=False)
    mark("1")
"""

HOLDS = HEAD + "def test_good(): crash_test(good, recovered, faults=False)\n"
LOSES = HEAD + "def test_bad(): crash_test(bad, recovered, faults=False)\n"
RAISES = HEAD + "def test_raises(): crash_test(lambda mark: {}['configuration'], recovered)\n"
IDLE = HEAD + "def test_idle(): crash_test(lambda mark: mark('1'), lambda marks: None)\n"
HASHED = (
    HEAD + "def test_hashed(): crash_test(lambda mark: save(''.join({'a', 'b', 'c', 'd', 'e'})), lambda marks: None)\n"
)
LONG = (
    HEAD
    + """
def long(mark):
    save("1", sync=False)
    mark("1")
    for number in range(60):
        with open(f"/data/{number}", "w") as file:
            file.write("x" * 4000)

def test_long(): crash_test(long, recovered, faults=False)
"""
)
FACES = (
    HEAD
    + """
import pytest

class TestIt:
    def test_method(self): crash_test(bad, recovered, faults=False)

@pytest.mark.parametrize("workload", [good, bad], ids=["good", "bad"])
def test_with(workload, tmp_path): crash_test(workload, recovered, faults=False)

def test_twice():
    crash_test(good, recovered, faults=False)
    crash_test(bad, recovered, faults=False)
"""
)
SCENARIO = (
    HEAD
    + """
from harness import Guarantee, Scenario, World, Phase
from harness.verdict import Violation

class Notes(Scenario):
    name = "notes"
    def world(self, run, workload): return World()
    def boot(self, run, world): return None
    def steps(self, run, world, subject, workload):
        save("1", sync=False)
        run.mark("acknowledged", "1")
    def observe(self, run, world, subject): return open(PATH).read() if os.path.exists(PATH) else ""
    def contract(self):
        def judge(case):
            gone = [event for event in case.ledger.acknowledged if event not in (case.observed or "")]
            return [Violation("lost", "Notes stay.", f"note {event} is gone") for event in gone]
        return [Guarantee("notes", "Notes stay.", judge)]
"""
)
