"""The same disk at another time is another case: what a recovery does may follow from how late it is."""

import asyncio
import os
import time

import pytest

from harness import crash_test
from harness.explore.life import EPOCH_S


async def slow_workload(mark):
    with open("/data/lease", "wb") as lease:
        lease.write(b"mine")
        lease.flush()
        os.fsync(lease.fileno())
        await asyncio.sleep(3_600)
        os.fsync(lease.fileno())


def held_for_an_hour(marks):
    if os.path.exists("/data/lease"):
        assert time.time() < EPOCH_S + 3_600, "the lease has run out"


@pytest.mark.parametrize("profile", ["process", "ext4"])
def test_a_disk_that_was_judged_is_judged_again_an_hour_later(profile):
    with pytest.raises(AssertionError, match="the lease has run out"):
        crash_test(slow_workload, held_for_an_hour, profile=profile, faults=False)
