"""Queue clients that survive any one fault and any death, and not two of them."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import queue_client as queue


class Relocating(queue.Client):
    """After an append that failed it opens its journal anew; where that fails too, it goes on in another file."""

    def cut_back(self):
        raw = self.journal.raw
        os.ftruncate(raw.fileno(), self.good)
        os.fsync(raw.fileno())
        raw.close()
        try:
            self.journal = open(queue.PATH, "ab+")  # noqa: SIM115  # it lives as long as the client
        except OSError:
            self.journal = open("/data/spare", "ab+")  # noqa: SIM115


class TwoInARow(queue.Queue):
    name = "two in a row"
    client = Relocating


class Forgetting(queue.Client):
    """A journal that cannot be read when it starts is taken for one that was never written."""

    def __init__(self, run):
        try:
            with open(queue.PATH, "rb") as journal:
                journal.read()
        except FileNotFoundError:
            pass
        except OSError:
            os.remove(queue.PATH)
        super().__init__(run)


class ForgetsInRecovery(queue.Queue):
    name = "forgets in recovery"
    client = Forgetting


class Insisting(queue.Client):
    """A journal that cannot be read is read again, and again."""

    def __init__(self, run):
        for _ in range(1_000_000):
            try:
                with open(queue.PATH, "rb") as journal:
                    journal.read()
                break
            except FileNotFoundError:
                break
            except OSError:
                while True:
                    os.path.exists(queue.PATH)
        super().__init__(run)


class InsistsInRecovery(queue.Queue):
    name = "insists in recovery"
    client = Insisting
