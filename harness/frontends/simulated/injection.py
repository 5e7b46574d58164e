"""What the kernel asks of a fault injector: the protocol, and the kinds of calls it can be asked about."""

from typing import Final, Protocol

KINDS: Final = (
    "open",
    "read",
    "write",
    "truncate",
    "fsync",
    "fdatasync",
    "sync",
    "close",
    "rename",
    "link",
    "symlink",
    "unlink",
    "mkdir",
    "rmdir",
    "stat",
    "access",
    "listdir",
    "readlink",
    "lock",
    "seek",
    "chmod",
    "utime",
    "fcntl",
)
"""Each call of a subject is one of these; the sync of a folder is an "fsync" with the folder's path."""


class Outcome(Protocol):
    """What becomes of one call.

    `errno`: the error it ends with. `allowed`: bytes of a write that land; with an errno and more than 0 bytes the
    write returns that count, and the next write to this open file gets the errno (what a full disk does). `delay`:
    seconds on the virtual clock before the call goes on. An attribute `lying`, where there is one and it is true: the
    sync reports success and syncs nothing. Attributes `cache` (a `harness.trace.CachePolicy`) and `forgets` ("at once"):
    what a sync that fails leaves in the page cache, and that the cache drops what was left clean.
    """

    @property
    def errno(self) -> int | None: ...
    @property
    def allowed(self) -> int | None: ...
    @property
    def delay(self) -> float: ...


class Injector(Protocol):
    """Decides the fate of each call. Where it has a method `freed(size)`, it is told of bytes given back."""

    def decide(self, kind: str, path: str | None, size: int, call: int) -> Outcome | None: ...
    def sleep(self, seconds: float) -> None: ...
