"""`python -m harness.gate.digests REFERENCE SEED WORKLOAD…`: trace digests as JSON, for comparison between processes."""

import json
import sys

from harness.explore.life import session
from harness.explore.recording import record
from harness.subjects import find_one


def main(reference: str, seed: str, *workloads: str) -> None:
    scenario = find_one(reference)
    with session():
        digests = {name: record(scenario, name, int(seed)).trace.digest() for name in workloads}
    json.dump(digests, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
