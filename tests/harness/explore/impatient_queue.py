"""A queue client that loses its journal when two starts in a row were cut short: it takes two deaths in recoveries."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import queue_client as queue

TRIES = "/data/tries"


class GivesUp(queue.Client):
    """Counts starts that did not come to their end; after the second one it begins anew with an empty journal."""

    def __init__(self, run):
        with open(TRIES, "ab+") as tries:
            tries.seek(0)
            failed = len(tries.read())
            tries.write(b"x")
        if failed >= 2 and os.path.exists(queue.PATH):
            os.truncate(queue.PATH, 0)
        super().__init__(run)
        os.remove(TRIES)


class Impatient(queue.Queue):
    name = "impatient"
    client = GivesUp


class DeepByItself(Impatient):
    name = "deep"
    recovery_depth = 2
