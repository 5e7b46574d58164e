"""The volatile state of one process's file system: inodes above a disk image, the names that lead to them, their times.

Knows which inodes of the starting image were looked at. Changed by the kernel only.
"""

from errno import ENOENT
from typing import Final

from harness.disk import DiskImage, Folder, Node, Places
from harness.frontends.simulated.paths import VOLATILE, Place, os_error, resolve
from harness.trace import ROOT

PLACES_MOST: Final = 4_096
"""Resolved paths remembered at a time."""


class InodeTable:
    """Inodes by number, and what was looked up among them.

    `nodes` is changed by `harness.disk.apply_to`; `places` remembers resolved paths until a name changes (it is the
    image's until then, and others may read it too); `modes`
    (permission bits) and `mtimes` (seconds since the epoch) live in memory only. `looks`: what was looked at of the files
    of the starting image, in order, as (inode, start, end) in bytes, both -1 for the size; what was discarded before does
    not count.
    """

    __slots__ = (
        "_default_mtime",
        "_image_places",
        "_links",
        "_next_ino",
        "_next_volatile",
        "_start",
        "cwd",
        "discarded",
        "looks",
        "modes",
        "mtimes",
        "nodes",
        "places",
    )

    def __init__(self, image: DiskImage, now: float) -> None:
        self._start = image.nodes
        self.nodes: dict[int, Node] = dict(image.nodes)
        self._next_ino = 0  # known when it is first asked for: most recoveries make nothing
        self._next_volatile = VOLATILE + 1
        self._links: dict[int, int] | None = None
        self.places: Places = image.places
        self._image_places = image.places
        self.cwd = ROOT
        self.modes: dict[int, int] = {}
        self.mtimes: dict[int, float] = {}
        self._default_mtime = now
        self.looks: dict[tuple[int, int, int], None] = {}
        self.discarded: set[int] = set()

    # -- names -----------------------------------------------------------------------------------------------------

    def find(self, path: str, follow: bool = True, start: int | None = None) -> Place:
        """Where `path` leads, from folder `start` or the working one. Raises `OutsideImage` for the real machine's."""
        if start is not None:
            return resolve(self, path, follow, start)
        place = self.places.get((path, follow))
        if place is None:
            place = resolve(self, path, follow, self.cwd)
            if len(self.places) >= PLACES_MOST or (VOLATILE in self.nodes and self.places is self._image_places):
                self.places = {}  # an inode in memory is this life's own
            self.places[path, follow] = place
        return place

    def forget_places(self) -> None:
        """Names have changed, or what relative paths begin with."""
        self.places = {}

    def change_folder(self, ino: int) -> None:
        self.cwd = ino
        self.forget_places()

    def parent_of(self, ino: int) -> int:
        """The folder that holds folder `ino`; the root is its own. FileNotFoundError for a removed one."""
        if ino in (ROOT, VOLATILE):
            return ROOT
        for parent, node in self.nodes.items():
            if isinstance(node, Folder) and ino in node.entries.values():
                return parent
        raise os_error(ENOENT)

    def path_of(self, ino: int) -> str:
        """The absolute path of folder `ino`; FileNotFoundError for a removed one."""
        names: list[str] = []
        while ino != ROOT:
            parent = self.parent_of(ino)
            if ino == VOLATILE:
                names.append("tmp")
            else:
                entries = self.folder(parent).entries
                names.append(next(name for name, child in entries.items() if child == ino))
            ino = parent
        return "/" + "/".join(reversed(names))

    def folder(self, ino: int) -> Folder:
        node = self.nodes[ino]
        assert isinstance(node, Folder)
        return node

    def volatile_folder(self) -> int:
        """The inode of `/tmp` where the image has none; made at its first use, never recorded."""
        if VOLATILE not in self.nodes:
            self.nodes[VOLATILE] = Folder()
            self.modes[VOLATILE] = 0o1777
        return VOLATILE

    def new_ino(self, parent: int) -> int:
        """The next inode number of the file system that holds folder `parent`."""
        if parent >= VOLATILE:
            self._next_volatile += 1
            return self._next_volatile - 1
        ino = self._next_ino or max(self._start) + 1
        self._next_ino = ino + 1
        return ino

    def links_to(self, ino: int) -> int:
        """How many names inode `ino` has."""
        if self._links is None:
            links: dict[int, int] = {}
            for node in self.nodes.values():
                if isinstance(node, Folder):
                    for child in node.entries.values():
                        links[child] = links.get(child, 0) + 1
            self._links = links
        return self._links.get(ino, 0)

    def note_link(self, ino: int, change: int) -> None:
        """A name of `ino` came (+1) or went (-1)."""
        if self._links is not None:
            self._links[ino] = self._links.get(ino, 0) + change

    def never_reuse(self, ino: int) -> None:
        """Inodes up to `ino` were handed out before."""
        self._next_ino = max(self._next_ino, max(self._start) + 1, ino + 1)

    def first_node(self, ino: int) -> Node | None:
        """Inode `ino` as this life found it; None for one of its own."""
        return self._start.get(ino)

    # -- contents --------------------------------------------------------------------------------------------------

    @property
    def reads(self) -> dict[int, None]:
        """The inodes whose content or size was looked at, in order."""
        return dict.fromkeys([ino for ino, _, _ in self.looks])

    def look_at_size(self, ino: int) -> None:
        if ino in self._start and ino not in self.discarded:
            self.looks[ino, -1, -1] = None

    def look_at(self, ino: int, start: int, end: int) -> None:
        """The bytes of `ino` from `start` up to `end` were asked for."""
        if ino in self._start and ino not in self.discarded:
            self.looks[ino, start, end] = None

    def discard(self, ino: int) -> None:
        """The content of `ino` is gone: what is read later is this life's own."""
        self.discarded.add(ino)

    def mtime(self, ino: int) -> float:
        """Seconds since the epoch; the beginning of this life for what it has not changed."""
        return self.mtimes.get(ino, self._default_mtime)
