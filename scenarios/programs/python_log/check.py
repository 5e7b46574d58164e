"""Every job that was told is a whole line of the log. A torn last line is what a careful reader leaves out."""

import json
import sys
from pathlib import Path


def main() -> str:
    log = Path("jobs.jsonl")
    lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    found: list[int] = []
    for line in lines:
        try:
            found.append(json.loads(line)["job"])
        except ValueError:
            break
    for told in map(int, sys.stdin):
        if told not in found:
            return f"job {told} was told and is gone"
    return ""


if __name__ == "__main__":
    sys.exit(main() or None)
