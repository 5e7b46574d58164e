"""The simulated kernel: one process's file system on one disk, and the choke point of all its calls.

Volatile state (the page cache and the name cache) is a table of inodes above a `DiskImage`, changed by
`harness.disk.apply_to` with the very operation that is recorded. Each call passes, in this order: its number, the
injector, the kill-point, the record, the disk.

At a kill-point the kernel freezes first and raises then: what `finally` blocks and buffered writers of the dying
process still do has no effect (DESIGN.md, section 4, rule 1).

Modelled: one process, one thread, file contents and names, descriptors, locks, descriptor limits. Not modelled:
permissions (modes are kept, never enforced), owners, quotas other than the injector's, extended attributes, mmap.
`/tmp`, where the image has none, is a file system of its own in memory (as tmpfs): its calls are numbered and can be
made to fail, nothing about it is recorded or survives, and a rename across it is EXDEV.
"""

import errno
import os
import time
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from harness.disk import DiskImage, File, apply_to
from harness.frontends.simulated import determinism, escapes, real_files
from harness.frontends.simulated.endings import ClosedWorldError, OutsideImage, ProcessDied, SubjectHung
from harness.frontends.simulated.injection import Injector, Outcome
from harness.frontends.simulated.inode_table import InodeTable
from harness.frontends.simulated.locks import LockTable
from harness.frontends.simulated.paths import VOLATILE, Place, os_error
from harness.frontends.simulated.source_lines import no_line, source_line
from harness.trace import Create, Fdatasync, Fsync, Item, Mark, Mkdir, Source, Symlink, Trace, Truncate, Write

FILE_BYTES_MAX: Final = 256 * 2**20
"""A file that grows past this gets EFBIG: a sparse write far out would be materialised."""

DESCRIPTORS_MAX: Final = 1024
FIRST_DESCRIPTOR: Final = 2**30
"""Simulated descriptors cannot be mistaken for the machine's: those end below 2**20."""

if TYPE_CHECKING:
    from harness.frontends.simulated.descriptors import OpenFile
    from harness.frontends.simulated.write_errors import WriteErrors

# posixpath's own functions: the ones in `os.path` may be the subject's, redirected
_dirname: Final = os.path.dirname
_normpath: Final = os.path.normpath

_NEVER: Final = 2**62


class CallRecord(msgspec.Struct, frozen=True, gc=False):
    """One call: its number, what it was, and the trace position at which it came."""

    number: int
    kind: str
    path: str | None
    size: int
    source: Source | None
    position: int


class Running:
    """The kernel that serves this process's calls now; None outside of every activation."""

    __slots__ = ("kernel", "stack")

    def __init__(self) -> None:
        self.kernel: Kernel | None = None
        self.stack: list[Kernel | None] = []


running: Final = Running()


def _wall_clock() -> float:
    return time.time()


class Kernel(InodeTable):
    """One process's file system on one disk: volatile state above a DiskImage, and the choke point of all calls.

    `die_at`: the item at this trace position is never recorded, the process dies instead. `die_at_call`: the same by
    call number (1-based). `call_limit`: calls one life may make before `SubjectHung`. `before_item` is called with the
    position before each item is recorded. `tracing_lines`: the trace names the line that issued each operation; a
    recovery that nobody reports can do without, it is the dearest part of a record.
    """

    __slots__ = (
        "_before_item",
        "_call_limit",
        "_consulted",
        "_die_at",
        "_die_at_call",
        "_halt_at",
        "_items",
        "_position",
        "_source_line",
        "_thread",
        "_watched",
        "activations",
        "call_log",
        "calls",
        "descriptors",
        "entropy",
        "escapes",
        "free_descriptors",
        "frozen",
        "injector",
        "locks",
        "next_descriptor",
        "now",
        "opened",
        "recording",
        "seed",
        "trace",
        "umask",
        "write_errors",
    )

    def __init__(
        self,
        image: DiskImage,
        *,
        seed: int = 0,
        now: Callable[[], float] = _wall_clock,
        injector: Injector | None = None,
        trace: Trace | None = None,
        recording: bool = True,
        die_at: int | None = None,
        die_at_call: int | None = None,
        call_limit: int | None = None,
        before_item: Callable[[int], None] | None = None,
        log_calls: bool = False,
        tracing_lines: bool = True,
    ) -> None:
        self.seed = seed
        self.now = now
        self.injector = injector
        self.trace = Trace() if trace is None else trace
        self.recording = recording
        self._source_line: Callable[[int], Source | None] = source_line if tracing_lines else no_line
        self.calls = 0
        self.call_log: list[CallRecord] | None = [] if log_calls else None
        self.frozen = False
        self.escapes: list[str] = []

        InodeTable.__init__(self, image, now())
        self._items = self.trace.items
        self._position = len(self._items)
        if self._items:
            self.never_reuse(_highest_ino(self._items))

        self._die_at = die_at
        self._die_at_call = die_at_call
        self._call_limit = call_limit
        self._before_item = before_item
        self._watched = die_at is not None or before_item is not None
        self._consulted = injector is not None or log_calls
        self._halt_at = min(
            _NEVER if die_at_call is None else die_at_call, _NEVER if call_limit is None else call_limit + 1
        )
        self._thread = get_ident()

        self.umask = 0o022
        self.descriptors: dict[int, OpenFile] = {}
        self.free_descriptors: list[int] = []
        self.next_descriptor = FIRST_DESCRIPTOR
        self.opened: dict[int, int] = {}
        self.locks = LockTable()
        self.entropy: determinism.Entropy | None = None
        self.activations = 0
        self.write_errors: WriteErrors | None = None

    # -- the choke point -------------------------------------------------------------------------------------------

    def call(self, kind: str, path: str | None, size: int = 0) -> Outcome | None:
        """Number a call and ask what becomes of it. An outcome that says something is for the caller to act on."""
        number = self.calls + 1
        if number >= self._halt_at or get_ident() != self._thread:
            self._halt(kind, path, number)
        self.calls = number
        if self._consulted:
            return self._consult(kind, path, size, number)
        return None

    def check(self, kind: str, path: str | None, size: int = 0) -> None:
        """As `call`, for calls that succeed or fail as a whole: raises the injected error."""
        outcome = self.call(kind, path, size)
        if outcome is not None and outcome.errno is not None:
            raise os_error(outcome.errno, path)

    def _consult(self, kind: str, path: str | None, size: int, number: int) -> Outcome | None:
        if path is not None and not path.startswith("/"):
            path = _normpath(f"{self.path_of(self.cwd)}/{path}")
        if self.call_log is not None:
            self.call_log.append(CallRecord(number, kind, path, size, source_line(3), self.position))
        if self.injector is None:
            return None
        outcome = self.injector.decide(kind, path, size, number)
        if outcome is not None and outcome.delay:
            self.injector.sleep(outcome.delay)
        return outcome

    def _halt(self, kind: str, path: str | None, number: int) -> None:
        if self.frozen:
            raise ProcessDied(f"{kind} of {path} by a process that is already dead")
        if get_ident() != self._thread:
            raise self.escape(f"{kind} of {path} from a second thread", "mounted")
        if number == self._die_at_call:
            self.freeze()
            raise ProcessDied(f"died before call {number}, {kind} of {path}")
        if self._call_limit is not None and number > self._call_limit:
            raise SubjectHung(
                f"call {number}, {kind} of {path}: one life may make {self._call_limit} calls (call_limit); "
                "look for a loop without end, or raise the limit"
            )

    def own_items(self, first: int = 0) -> list[Item]:
        """What this life has recorded, from its item number `first` on. Raises ValueError where nothing is recorded."""
        if not self.recording:
            raise ValueError("recording is False: what a failed sync leaves on the disk is known from the trace only")
        return self._items[self._position + first :]

    @property
    def position(self) -> int:
        """The trace position of the next item."""
        return len(self._items) if self.recording else self._position

    def record(self, item: Item) -> None:
        """Record an item and let it happen; the kill-point is before."""
        at = self._admit(item)
        apply_to(self.nodes, item)
        if isinstance(item, Truncate):
            self.mtimes[item.ino] = at

    def record_sync(self, item: Fsync | Fdatasync) -> None:
        """As `record`, for what changes no disk."""
        if item.ino >= VOLATILE:
            return
        if self._watched:
            self._before(self.position)
        if self.recording:
            self.trace.record(item, self._source_line(4), self.now())
        else:
            self._position += 1

    def record_name(self, item: Item) -> None:
        """Record a change of names: what was known about paths is forgotten."""
        at = self._admit(item)
        apply_to(self.nodes, item)
        self.places = {}
        mtimes = self.mtimes
        for folder in (getattr(item, "parent", None), getattr(item, "new_parent", None)):
            if folder is not None:
                mtimes[folder] = at

    def record_write(self, ino: int, offset: int, data: bytes) -> None:
        """As `record` of a `Write`, without a detour: what `apply_to` does for one is `File.write`."""
        nodes = self.nodes
        if ino < VOLATILE:
            if self._watched:
                self._before(self.position)
            at = self.now()
            if self.recording:
                self.trace.record(Write(ino, offset, data), self._source_line(4), at)
            else:
                self._position += 1
        else:
            at = self.now()
        nodes[ino] = nodes[ino].write(offset, data)  # type: ignore[union-attr]  # open files are Files
        self.mtimes[ino] = at

    def _admit(self, item: Item) -> float:
        if getattr(item, "ino", 0) >= VOLATILE:
            return self.now()
        if self._watched:
            self._before(self.position)
        at = self.now()
        if self.recording:
            self.trace.record(item, self._source_line(3), at)
        else:
            self._position += 1
        return at

    def _before(self, position: int) -> None:
        if position == self._die_at:
            self.freeze()
            raise ProcessDied(f"died at trace position {position}")
        if self._before_item is not None:
            self._before_item(position)

    # -- life and death --------------------------------------------------------------------------------------------

    def set_injector(self, injector: Injector | None) -> None:
        """Other faults from now on, or none."""
        self.injector = injector
        self._consulted = injector is not None or self.call_log is not None

    def set_death(self, position: int | None) -> None:
        """Die before the item at this trace position is recorded (None: do not)."""
        self._die_at = position
        self._watched = position is not None or self._before_item is not None

    def freeze(self) -> None:
        """From now on nothing has an effect or is recorded; every call raises `ProcessDied`."""
        self.frozen = True
        self._halt_at = -1

    def die(self, why: str) -> NoReturn:
        """End the process as SIGKILL does."""
        self.freeze()
        raise ProcessDied(why)

    def mark(self, mark: Mark) -> None:
        """A point visible outside; kill-points before it too."""
        if self.frozen:
            raise ProcessDied(f"mark {mark.kind} {mark.event} by a process that is already dead")
        self._admit(mark)

    def image(self) -> DiskImage:
        """The disk if everything that happened survives."""
        if VOLATILE in self.nodes:
            return DiskImage({ino: node for ino, node in self.nodes.items() if ino < VOLATILE})
        return DiskImage(dict(self.nodes))

    def activate(self) -> "Activation":
        """This kernel serves the calls of `os`, `io` … inside the `with` block; activations nest."""
        return Activation(self)

    def begin(self) -> determinism.Restore:
        """As the begin of `activate`; what it returns is for `end`, which must follow, as after a `try`."""
        escapes.watch()
        running.stack.append(running.kernel)
        running.kernel = self
        self._thread = get_ident()
        return determinism.begin(self)

    def end(self, restore: determinism.Restore) -> None:
        """As the end of `activate`."""
        running.kernel = before = running.stack.pop()
        determinism.end(restore, before)

    def escape(self, what: str, instead: str) -> ClosedWorldError:
        """Note a violation of the closed world, and make the error to raise."""
        message = f"{what}: the simulated disk cannot see this; use the {instead} frontend for this subject"
        if not self.frozen:
            self.escapes.append(message)
        return ClosedWorldError(message)

    # -- names -----------------------------------------------------------------------------------------------------

    def locate(self, path: str, follow: bool = True, start: int | None = None) -> Place:
        """Where `path` leads; a path of the real machine is an escape."""
        try:
            return self.find(path, follow, start)
        except OutsideImage as outside:
            raise self.no_change_of(outside, path) from None

    def no_change_of(self, outside: OutsideImage, path: str) -> BaseException:
        """What to raise where a call would change the real machine: an escape, or ENOENT where it has no such folder."""
        real = outside.path
        if real_files.exists(real) or real_files.exists(_dirname(real)):
            return self.escape(f"{real}, a path of the real machine", "mounted")
        return os_error(errno.ENOENT, path)

    def real_path(self, outside: OutsideImage, path: str, allowed: Callable[[str], bool]) -> str:
        """The path of the real machine that a reader may look at; what it may not is an escape, what is not ENOENT."""
        real = outside.path
        if allowed(real):
            return real
        if real_files.exists(real):
            raise self.escape(f"{real}, a path of the real machine", "mounted")
        raise os_error(errno.ENOENT, path)

    def count_link(self, ino: int, change: int) -> None:
        """A name of `ino` came (+1) or went (-1)."""
        self.note_link(ino, change)
        if change < 0:
            self.give_back(ino)

    def give_back(self, ino: int) -> None:
        """Tell the injector of the bytes of an inode that nothing holds any more."""
        freed = getattr(self.injector, "freed", None)
        if freed is None or self.opened.get(ino) or self.links_to(ino):
            return
        node = self.nodes[ino]
        if isinstance(node, File) and node.size:
            freed(node.size)


class Activation:
    """The block inside which a kernel is the one that runs."""

    __slots__ = ("_kernel", "_restore")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def __enter__(self) -> Kernel:
        self._restore = self._kernel.begin()
        return self._kernel

    def __exit__(self, *_: object) -> None:
        self._kernel.end(self._restore)


def _highest_ino(items: list[Item]) -> int:
    return max((item.ino for item in items if isinstance(item, Create | Mkdir | Symlink)), default=0)
