"""What inodes were called: readers of a case know paths, not numbers."""

from collections.abc import Iterable

from harness.disk import DiskImage
from harness.trace import Item


def names_of(image: DiskImage, items: Iterable[Item]) -> dict[int, str]:
    """A path for every inode of `image`, and of `items` that give one its first name; the earliest name stays."""
    paths = {1: "/"}
    paths.update(image.paths())
    for item in items:
        ino, parent, name = getattr(item, "ino", None), getattr(item, "parent", None), getattr(item, "name", None)
        if ino is not None and name is not None and parent in paths:
            paths.setdefault(ino, f"{paths[parent].rstrip('/')}/{name}")
    return paths
