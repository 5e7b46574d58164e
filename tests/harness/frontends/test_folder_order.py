"""The order of a folder's names: from the seed and the names alone, so that equal disks are read alike."""

import os

from harness.disk import DiskImage
from harness.frontends.simulated import Kernel, Redirection
from harness.trace import Create, Mkdir

NAMES = [f"name-{number}" for number in range(12)]


def disk(folder: int) -> DiskImage:
    """/data/box, as this inode, with all names in it."""
    image = DiskImage.with_folders("/data").apply(Mkdir(folder, 2, "box"))
    for name in NAMES:
        image = image.apply(Create(image.next_ino, folder, name))
    return image


def listed(image: DiskImage, seed: int) -> list[str]:
    with Redirection.shared(), Kernel(image, seed=seed).activate():
        return os.listdir("/data/box")


def test_disks_that_differ_in_inode_numbers_only_list_alike() -> None:
    assert disk(3).identity() == disk(40).identity()
    assert listed(disk(3), 7) == listed(disk(40), 7)


def test_another_seed_has_another_order() -> None:
    orders = {tuple(listed(disk(3), seed)) for seed in range(4)}
    assert len(orders) == 4
    assert all(sorted(order) == sorted(NAMES) for order in orders)
    assert tuple(NAMES) not in orders
