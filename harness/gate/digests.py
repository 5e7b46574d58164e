"""`python -m harness.gate.digests REFERENCE SEED WORKLOAD…`: traces as JSON, for comparison between processes."""

import json
import os
import sys

from harness.explore.life import session
from harness.explore.recording import record
from harness.subjects import find_one
from harness.trace import encode


def main(reference: str, seed: str, *workloads: str) -> None:
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the subject prints, from its import on, must not stand in the answer
    scenario = find_one(reference)
    with session():
        traces = {name: encode(record(scenario, name, int(seed)).trace).decode() for name in workloads}
    with answer:
        json.dump(traces, answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
