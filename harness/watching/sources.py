"""The source files below some folders, and whether any of them has changed.

They are looked at again and again: a few thousand `stat` calls take milliseconds, and work where notifications do not
(network file systems, containers, editors that replace a file). No library is needed for that.

Not seen: a change that leaves both the time and the size of a file as they were.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

SUFFIXES: Final = frozenset({".py", ".pyi", ".toml", ".cfg", ".ini", ".sh"})

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages"})

Seen: TypeAlias = dict[str, tuple[int, int]]
"""(time of the last change in nanoseconds, size in bytes) by path."""


class Sources:
    """Files with one of `SUFFIXES` below `roots`, hidden folders and virtual environments left out."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots: Final = tuple(str(root) for root in roots)

    def look(self) -> Seen:
        """How they are now. A file that goes away meanwhile is not there."""
        seen: Seen = {}
        for root in self._roots:
            for entry in _files(root):
                try:
                    status = entry.stat()
                except OSError:
                    continue
                seen[entry.path] = (status.st_mtime_ns, status.st_size)
        return seen


def changed(before: Seen, after: Seen) -> list[str]:
    """Paths that are new, gone or different, in order."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def _files(folder: str) -> Iterator["os.DirEntry[str]"]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif os.path.splitext(entry.name)[1] in SUFFIXES:
            yield entry
