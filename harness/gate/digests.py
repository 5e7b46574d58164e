"""`python -m harness.gate.digests REFERENCE SEED WORKLOAD…`: traces as JSON, for comparison between processes."""

import json
import sys

from harness.explore.life import session
from harness.explore.recording import record
from harness.subjects import find_one
from harness.trace import encode


def main(reference: str, seed: str, *workloads: str) -> None:
    scenario = find_one(reference)
    with session():
        traces = {name: encode(record(scenario, name, int(seed)).trace).decode() for name in workloads}
    json.dump(traces, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
