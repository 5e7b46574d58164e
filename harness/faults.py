"""Fault plans: which calls of a subject fail, how, and for how long.

A `Fault` is one rule ("ENOSPC on the 3rd write to /data/*.jsonl, once"), a `FaultPlan` several of them and the room
left on the disk; both are frozen and plain JSON. An `Injector` is the mutable side of one run: a frontend asks it about
each call. `sweep_plans` gives the plans of SQLite's loop (sqlite.org/testing.html, "I/O error testing"): call 1, 2, 3 …
fails, once and for good.

Modelled: errnos, short writes, a write cut by an error (the prefix lands and is counted, the next write gets the error:
write(2)), a disk with a byte budget, latency, syncs that lie, what a failed sync leaves in the page cache (durability.md,
section 4). An error of a close is that of the write-back of what was never synced (close(2): NFS, quotas).

Not modelled: blocks and inodes of the budget (an overwrite takes room like an append; names are free), EINTR (the
interpreter retries it, PEP 475), bit rot.
"""

import errno as errnos
import fnmatch
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from harness.trace import CachePolicy

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_SYNCS: Final = ("fsync", "fdatasync", "sync")
_NAMES: Final = ("rename", "link", "symlink", "unlink", "mkdir", "rmdir")
_WRITES_BACK: Final = frozenset({"fsync", "fdatasync", "close"})
LEAVES_CLEAN: Final[tuple[CachePolicy, ...]] = ("drop-clean", "late-report")
"""Policies under which pages that were not written count as written: the cache may forget them at any moment."""

_LEFT: Final[dict[CachePolicy, str]] = {
    "late-report": "told at the next sync only",
    "revert": "the file goes back to what was durable",
    "stay-dirty": "the pages stay dirty",
}

ERRNOS_BY_KIND: Final[dict[str, tuple[str, ...]]] = {
    # section 2 manual pages (Linux man-pages 6.x): what each call documents for a regular file on a local disk
    "open": ("EMFILE", "EACCES", "EROFS", "ENOSPC"),  # open(2); EROFS and ENOSPC only where it may write or create
    "read": ("EIO",),  # read(2)
    "write": ("ENOSPC", "EIO", "EDQUOT"),  # write(2)
    "truncate": ("EIO",),  # truncate(2)
    "fsync": ("EIO", "ENOSPC", "EDQUOT"),  # fsync(2): NFS and delayed allocation report a full disk here
    "fdatasync": ("EIO", "ENOSPC", "EDQUOT"),  # fsync(2)
    "sync": (),  # sync(2): always succeeds
    "close": ("EIO",),  # close(2); the descriptor goes all the same
    "rename": ("EIO", "ENOSPC", "EDQUOT", "EROFS"),  # rename(2), EIO as for link(2)
    "link": ("EIO", "ENOSPC", "EDQUOT", "EROFS"),  # link(2)
    "symlink": ("EIO", "ENOSPC", "EDQUOT", "EROFS"),  # symlink(2)
    "mkdir": ("EIO", "ENOSPC", "EDQUOT", "EROFS"),  # mkdir(2); EIO: POSIX lets any call that does I/O report it
    "unlink": ("EIO", "EROFS"),  # unlink(2)
    "rmdir": ("EIO", "EROFS"),  # rmdir(2), EIO as for mkdir
    "stat": ("EIO", "EACCES"),  # stat(2), POSIX fstatat
    "access": ("EIO", "EACCES"),  # access(2)
    "listdir": ("EIO", "EACCES"),  # opendir(3), POSIX readdir
    "readlink": ("EIO", "EACCES"),  # readlink(2)
    "lock": ("ENOLCK", "EIO"),  # flock(2), fcntl(2); EIO: network file systems
    "seek": (),  # lseek(2): nothing that a disk could cause
    "chmod": ("EIO", "EROFS"),  # chmod(2)
    "utime": ("EACCES", "EROFS"),  # utimensat(2)
    "fcntl": (),  # fcntl(2): nothing that a disk could cause
}
"""Errnos that make sense for each kind of call; the kinds are those of the frontends."""

_SPREAD: Final[dict[str, tuple[str, ...]]] = {
    "EIO": ("write", "truncate", *_SYNCS, *_NAMES),  # a dying disk refuses all that changes it
    "ENOSPC": ("write", "mkdir", "symlink", "link"),
    "EDQUOT": ("write", "mkdir", "symlink", "link"),
    "EROFS": ("truncate", *_NAMES),  # remounted read-only after an error
}
"""What else fails, once a persistent error has shown in one of these kinds."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule.

    It begins with the `occurrence`-th call (from 1; None is 1) of those that match: of one of `kinds` (none: any) on a
    `path` (a glob over the absolute path; `*` crosses slashes), longer than `keep` bytes, numbered `call` or later. It
    hits that call and the next matching ones, `lasts` calls in all (None: for good). A call that is hit is delayed by
    `delay` (virtual seconds) and then fails with `errno` (a name), or is a write of which `keep` bytes land: with an
    errno the next write gets it and later hits land nothing, without one each hit is a short write that succeeds.
    `lying` syncs report success and sync nothing. `cache` is what a sync that fails leaves in the page cache, and
    `forgets` whether the cache then drops the pages that it left clean: reads see the old blocks.
    """

    kinds: tuple[str, ...] = ()
    path: str = "*"
    occurrence: int | None = 1
    call: int | None = None
    errno: str | None = None
    keep: int | None = None
    lasts: int | None = 1
    delay: float = 0.0
    lying: bool = False
    cache: CachePolicy = "drop-clean"
    forgets: Literal["never", "at once"] = "never"

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in ERRNOS_BY_KIND]
        _demand(not unknown, "kinds", unknown, f"must be among {', '.join(ERRNOS_BY_KIND)}")
        _demand(self.path != "", "path", self.path, "must be a glob over absolute paths, '*' for any")
        _demand(self.occurrence is None or self.occurrence >= 1, "occurrence", self.occurrence, "counts from 1")
        _demand(self.call is None or self.call >= 1, "call", self.call, "counts from 1")
        _demand(self.errno is None or _number_of(self.errno) > 0, "errno", self.errno, "must be a name such as ENOSPC")
        _demand(self.lasts is None or self.lasts >= 1, "lasts", self.lasts, "counts calls from 1; null for good")
        _demand(0 <= self.delay < math.inf, "delay", self.delay, "must be finite seconds, not negative")
        if self.keep is not None:
            _demand(self.kinds == ("write",), "keep", self.keep, 'goes with kinds ("write",) only')
            _demand(self.keep >= (self.errno is None), "keep", self.keep, "must be 1 byte or more (0 with an errno)")
        if self.lying:
            _demand(
                self.kinds != () and set(self.kinds) <= set(_SYNCS),
                "lying",
                True,
                f"goes with {', '.join(_SYNCS)} only",
            )
            _demand(self.errno is None, "lying", True, "reports success: give no errno")
        known = ("drop-clean", *_LEFT)
        _demand(self.cache in known, "cache", self.cache, f"must be among {', '.join(known)}")
        _demand(self.forgets in ("never", "at once"), "forgets", self.forgets, "must be 'never' or 'at once'")
        if self.cache != "drop-clean" or self.forgets != "never":
            field, value = ("cache", self.cache) if self.cache != "drop-clean" else ("forgets", self.forgets)
            _demand(self.fails_syncs, field, value, "goes with an errno on fsync, fdatasync or close")
        if self.forgets != "never":
            _demand(self.cache in LEAVES_CLEAN, "forgets", self.forgets, f"goes with cache {' or '.join(LEAVES_CLEAN)}")
        if self.errno is None and self.keep is None and not self.delay and not self.lying:
            raise ValueError("Fault: does nothing; give errno, keep, delay or lying")

    @property
    def fails_syncs(self) -> bool:
        """May this make a sync fail, that of a close included?"""
        return self.errno is not None and (not self.kinds or not _WRITES_BACK.isdisjoint(self.kinds))

    def leaving(self, cache: CachePolicy) -> "Fault":
        """The same fault, with this left in the cache by the syncs that it makes fail."""
        return msgspec.structs.replace(self, cache=cache) if self.fails_syncs else self

    def forgetting(self) -> "Fault":
        """The same fault, after which the cache drops the pages that the failed sync left clean."""
        return msgspec.structs.replace(self, forgets="at once") if self.fails_syncs else self

    def describe(self) -> str:
        """One line for a reader: what, on which call, how long."""
        if self.keep is not None:
            what = f"short write of {_count(self.keep, 'byte')}"
            if self.errno is not None:
                what = f"{self.errno} after {_count(self.keep, 'byte')}"
        elif self.lying:
            what = "a lie"
        else:
            what = self.errno or ""
        if self.delay:
            what = f"{what} after {self.delay:g} s" if what else f"a delay of {self.delay:g} s"
        kinds = "/".join(self.kinds) if self.kinds else "call"
        nth = self.occurrence or 1
        if self.call is not None:
            which = f"call {self.call}" if nth == 1 else f"the {_ordinal(nth)} {kinds} from call {self.call} on"
            if nth == 1 and self.kinds:
                which += f" ({kinds})"
        else:
            which = f"the {_ordinal(nth)} {kinds}"
        where = "" if self.path == "*" else f" to {self.path}"
        long = "for good" if self.lasts is None else "once" if self.lasts == 1 else f"{self.lasts} times"
        cache = "" if self.cache == "drop-clean" else f", {_LEFT[self.cache]}"
        if self.forgets != "never":
            cache += ", then the page cache forgets"
        return f"{what} on {which}{where}, {long}{cache}"


class FaultPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The faults of one run. Where several would hit a call, the first one listed does.

    `budget`: bytes the disk can still take (None: any number). A write that does not fit lands as far as it does, then
    comes ENOSPC; what truncates and last unlinks give back can be used again.
    """

    faults: tuple[Fault, ...] = ()
    budget: int | None = None

    def __post_init__(self) -> None:
        _demand(self.budget is None or self.budget >= 0, "budget", self.budget, "must be a number of bytes, 0 or more")

    def describe(self) -> str:
        """One line for a reader."""
        parts = [fault.describe() for fault in self.faults]
        if self.budget is not None:
            parts.append(f"the disk is full after {_count(self.budget, 'byte')}")
        return "; ".join(parts) or "no fault"

    @property
    def fails_syncs(self) -> bool:
        return any(fault.fails_syncs for fault in self.faults)

    def leaving(self, cache: CachePolicy) -> "FaultPlan":
        """The same plan on a file system whose failed syncs leave this in the cache."""
        return msgspec.structs.replace(self, faults=tuple([fault.leaving(cache) for fault in self.faults]))

    def forgetting(self) -> "FaultPlan":
        """The same plan, after whose failed syncs the cache drops what they left clean."""
        return msgspec.structs.replace(self, faults=tuple([fault.forgetting() for fault in self.faults]))


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one call (`harness.frontends` has the protocol).

    `allowed`: bytes of a write that land, None for all of it (or, with an errno, none of it).
    """

    errno: int | None = None
    allowed: int | None = None
    delay: float = 0.0
    lying: bool = False
    cache: CachePolicy = "drop-clean"
    forgets: Literal["never", "at once"] = "never"


class Fired(msgspec.Struct, frozen=True):
    """A fault that hit: `fault` is its index in the plan, -1 for the byte budget; `errno` None for a success."""

    call: int
    kind: str
    path: str | None
    errno: str | None
    fault: int


class Injector:
    """The mutable side of one run: counts what matched and what is left. `sleep` lets virtual seconds pass."""

    def __init__(self, plan: FaultPlan, *, sleep: Callable[[float], None] | None = None) -> None:
        self.plan = plan
        self.fired: list[Fired] = []
        self._sleep = sleep
        self._room = plan.budget
        self._rules = [_Rule(fault, index) for index, fault in enumerate(plan.faults)]
        self._by_kind: dict[str, list[_Rule]] = {}
        self._wake_at: float = 0.0
        self._look_ahead()

    @property
    def room(self) -> int | None:
        """Bytes the disk can still take; None for any number."""
        return self._room

    def decide(self, kind: str, path: str | None, size: int, call: int) -> Outcome | None:
        """What becomes of call number `call`; None when nothing does. `size`: bytes of a write, otherwise ignored."""
        if call < self._wake_at:
            return None
        rules = self._by_kind.get(kind)
        if rules is None:
            rules = self._by_kind[kind] = [rule for rule in self._rules if rule.concerns(kind)]
        outcome: Outcome | None = None
        # each rule sees the call, also one that another has hit: "the 3rd write" stays the 3rd
        for rule in rules:
            if rule.matches(path, size, call) and outcome is None:
                outcome = rule.hit()
                self.fired.append(Fired(call, kind, path, rule.fault.errno, rule.index))
                if rule.left == 0:
                    self._rules.remove(rule)
                    self._look_ahead()
        if self._room is not None and kind == "write":
            return self._take_room(path, size, call, outcome)
        return outcome

    def _take_room(self, path: str | None, size: int, call: int, outcome: Outcome | None) -> Outcome | None:
        assert self._room is not None
        if outcome is not None and outcome.errno is not None:
            wanted = outcome.allowed or 0
        elif outcome is not None and outcome.allowed is not None:
            wanted = outcome.allowed
        else:
            wanted = size
        landed = min(wanted, self._room)
        self._room -= landed
        if landed == wanted:
            return outcome
        self.fired.append(Fired(call, "write", path, "ENOSPC", -1))
        return Outcome(errnos.ENOSPC, landed, outcome.delay if outcome is not None else 0.0)

    def freed(self, size: int) -> None:
        """A truncate or the end of a file gave `size` bytes back."""
        if self._room is not None:
            self._room += size

    def lift(self) -> None:
        """The faults end here; what fired stays on record."""
        self._rules.clear()
        self._room = None
        self._look_ahead()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass. Raises ValueError when the injector was given no clock."""
        if self._sleep is None:
            raise ValueError(f"delay of {seconds:g} s: this injector has no clock; give Injector(..., sleep=)")
        self._sleep(seconds)

    def _look_ahead(self) -> None:
        """Forget the index, and work out from which call on there is anything to decide."""
        self._by_kind.clear()
        if self._room is not None:
            self._wake_at = 0.0
        else:
            self._wake_at = min((rule.fault.call or 0 for rule in self._rules), default=math.inf)


class _Rule:
    """A fault and how far it has come."""

    __slots__ = ("_after", "_hits", "_match", "_waiting", "fault", "index", "left")

    def __init__(self, fault: Fault, index: int) -> None:
        self.fault = fault
        self.index = index
        self.left = fault.lasts
        self._waiting = fault.occurrence or 1
        self._match = None if fault.path == "*" else re.compile(fnmatch.translate(fault.path)).match
        number = None if fault.errno is None else _number_of(fault.errno)
        self._hits = Outcome(number, fault.keep, fault.delay, fault.lying, fault.cache, fault.forgets)
        # the disk is full: the first write that is cut lands its prefix, later ones land nothing
        cut = number is not None and fault.keep is not None
        self._after = Outcome(number, None, fault.delay) if cut else self._hits

    def concerns(self, kind: str) -> bool:
        return not self.fault.kinds or kind in self.fault.kinds

    def matches(self, path: str | None, size: int, call: int) -> bool:
        """Whether this call is hit; counts it towards the occurrence."""
        fault = self.fault
        if fault.call is not None and call < fault.call:
            return False
        if self._match is not None and (path is None or self._match(path) is None):
            return False
        if self._waiting > 0:
            if fault.keep is not None and size <= fault.keep:
                return False
            self._waiting -= 1
            return self._waiting == 0
        return fault.keep is None or fault.errno is not None or size > fault.keep

    def hit(self) -> Outcome:
        outcome, self._hits = self._hits, self._after
        if self.left is not None:
            self.left -= 1
        return outcome


def sweep_plans(kind: str, call: int, size: int) -> list[FaultPlan]:
    """Every way in which call number `call` may fail: each errno of its kind, once and for good; writes cut as well.

    A write of `size` bytes is cut after 1 byte, half and all but one: as a short write, by a disk full for a moment,
    and by a disk full for good. Raises ValueError for an unknown kind.
    """
    if kind not in ERRNOS_BY_KIND:
        raise ValueError(f"sweep_plans: kind is {kind!r}, must be among {', '.join(ERRNOS_BY_KIND)}")
    faults: list[Fault] = []
    for name in ERRNOS_BY_KIND[kind]:
        spread = _SPREAD.get(name, ())
        faults.append(Fault((kind,), call=call, errno=name))
        faults.append(Fault(spread if kind in spread else (kind,), call=call, errno=name, lasts=None))
    if kind == "write":
        for keep in sorted({1, size // 2, size - 1}):
            if 0 < keep < size:
                faults.append(Fault((kind,), call=call, keep=keep))
                faults.append(Fault((kind,), call=call, keep=keep, errno="ENOSPC"))
                faults.append(Fault((kind,), call=call, keep=keep, errno="ENOSPC", lasts=None))
    return [FaultPlan((fault,)) for fault in faults]


def plans(*, calls_max: int = 50) -> "SearchStrategy[FaultPlan]":
    """Hypothesis strategy: plans of up to three faults within the first `calls_max` matching calls, and budgets."""
    from hypothesis import strategies as st  # not needed, and slow to load, unless histories are drawn

    def fault_of(kind: str) -> "SearchStrategy[Fault]":
        fields: dict[str, Any] = {
            "kinds": st.just((kind,)),
            "occurrence": st.integers(1, calls_max),
            "lasts": st.sampled_from((1, 2, 5, None)),
        }
        errors = st.builds(Fault, errno=st.sampled_from(ERRNOS_BY_KIND[kind]), **fields)
        if kind != "write":
            return errors
        cut = {**fields, "keep": st.integers(1, 200)}
        return errors | st.builds(Fault, errno=st.sampled_from((None, "ENOSPC")), **cut)

    fallible = [kind for kind, names in ERRNOS_BY_KIND.items() if names]
    faults = st.lists(st.sampled_from(fallible).flatmap(fault_of), max_size=3).map(tuple)
    return st.builds(FaultPlan, faults=faults, budget=st.none() | st.integers(0, 20_000))


def _number_of(name: str) -> int:
    """The number of an errno name; 0 when there is no such name."""
    number = getattr(errnos, name, 0)
    return number if isinstance(number, int) and name.startswith("E") else 0


def _demand(holds: bool, field: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f"{field}: {value!r} {rule}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def _ordinal(number: int) -> str:
    if number % 100 not in (11, 12, 13):
        for last, ending in ((1, "st"), (2, "nd"), (3, "rd")):
            if number % 10 == last:
                return f"{number}{ending}"
    return f"{number}th"
