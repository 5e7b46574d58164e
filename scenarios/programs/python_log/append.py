"""Three jobs into a log, each told to the world by a printed line.

    append.py FOLDER MODE

MODE: `unsynced` nobody syncs anything · `early` the line is printed before the sync · `nameless` the file is synced and
its folder never · `synced` the folder once, the file before each line.
"""

import json
import os
import sys
from pathlib import Path

JOBS = 3


def sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


def main(folder: str, mode: str) -> None:
    with (Path(folder) / "jobs.jsonl").open("a") as log:
        if mode == "synced":
            sync_folder(Path(folder))
        for job in range(JOBS):
            log.write(json.dumps({"job": job}) + "\n")
            log.flush()
            if mode == "early":
                print(job, flush=True)
            if mode != "unsynced":
                os.fsync(log.fileno())
            if mode != "early":
                print(job, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
