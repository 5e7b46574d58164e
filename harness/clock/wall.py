"""The frozen wall clock.

Modelled while the clock is entered: `time.time`, `monotonic`, `perf_counter` and their `_ns` forms, `time.sleep`
(advances the clock, returns at once), `clock_gettime` for the wall and monotonic clocks, `localtime`, `gmtime`,
`ctime`, `asctime`, `strftime`, `datetime.now`, `utcnow`, `today`, names imported from these modules included. The time
zone is UTC, so that the machine's own does not show.

Not modelled: processor time (`process_time`, `thread_time`, `os.times`), time read by C extensions, daylight saving.
Monotonic time equals the wall time, and goes back with it when `set` begins another case. A `datetime` class that a
subject kept in a container or a default argument stays real.

The test machinery keeps real time (`_MACHINERY`): its durations and its shrinking deadlines are not the subject's.

Prior art: freezegun does the freezing; trio's MockClock the idea that a clock jumps when everybody waits.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Final, Self

import freezegun
from freezegun import config as freezegun_config

START: Final = 1_704_067_200.0
"""Where a new clock stands: 2024-01-01T00:00:00Z, in seconds since the epoch."""

_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECONDS: Final = 1_000_000

_MACHINERY: Final = ("_pytest.", "hypothesis.", "xdist.", "execnet.", "threading", "queue")

# The genuine functions, kept where neither freezegun nor this module replaces them.
_REAL: Final[dict[str, Callable[..., Any]]] = {
    name: getattr(time, name)
    for name in ("sleep", "clock_gettime", "clock_gettime_ns", "ctime", "asctime", "monotonic", "perf_counter")
}

_FROZEN_CLOCKS: Final = frozenset(
    getattr(time, name)
    for name in ("CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME", "CLOCK_TAI")
    if hasattr(time, name)
)


def machine_seconds() -> float:
    """Seconds on the machine's own monotonic clock, frozen or not: for budgets and rates of the harness itself."""
    seconds: float = _REAL["perf_counter"]()
    return seconds


def _is_machinery(module: str) -> bool:
    return module in _MACHINERY or module.startswith(tuple(name for name in _MACHINERY if name.endswith(".")))


class VirtualClock:
    """A wall clock that moves only when told to; resolution one microsecond.

    Entering freezes the process' time at `now()`, leaving thaws it; both nest. The first freeze of a process costs 25
    to 94 ms, later ones a few: enter once around a sweep and `set` the time of each case. `shared()` is the one to
    use; a clock that is never entered serves a loop on its own and touches nothing else.
    """

    _shared: ClassVar["VirtualClock | None"] = None

    def __init__(self, at: float = START) -> None:
        self._depth = 0
        self._thread = 0
        self._freezer: Any = None
        self._factory: Any = None
        self._undo: list[tuple[ModuleType, str, object]] = []
        self._zone: str | None = None
        self._move(round(at * _MICROSECONDS))

    @classmethod
    def shared(cls) -> "VirtualClock":
        """The clock of this process."""
        if VirtualClock._shared is None:
            VirtualClock._shared = VirtualClock()
        return VirtualClock._shared

    def now(self) -> float:
        """Virtual seconds since the epoch; the very float that a frozen `time.time()` returns."""
        return self._now

    @property
    def frozen(self) -> bool:
        """Whether the process' time follows this clock."""
        return self._depth > 0

    def set(self, at: float) -> None:
        """Stand at `at` (seconds since the epoch): the start of a case, so it may lie in the past."""
        micros = round(at * _MICROSECONDS)
        if micros != self._micros:
            self._move(micros)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass; anything above zero is at least one microsecond. Raises ValueError below zero."""
        if seconds < 0:
            raise ValueError(f"advance: seconds is {seconds}, must not be negative; use set() to begin another case")
        self._move(self._micros + (max(1, round(seconds * _MICROSECONDS)) if seconds else 0))

    def advance_to(self, when: float) -> None:
        """Let time pass until `now() >= when`; does nothing when that holds already.

        Not before `when`, not by a rounding error: a subject that looks at the clock on waking and finds its deadline
        an instant away would arm its timer again, without end.
        """
        if self._now >= when:
            return
        micros = round(when * _MICROSECONDS)
        self._move(micros)
        if self._now < when:
            self._move(micros + 1)

    def _move(self, micros: int) -> None:
        self._micros = micros
        seconds, rest = divmod(micros, _MICROSECONDS)
        self._now = seconds + rest / 1_000_000.0  # as freezegun computes it: the two must be the same float
        if self._factory is not None:
            self._factory.time_to_freeze = _EPOCH + timedelta(seconds=seconds, microseconds=rest)

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1:
            try:
                self._freeze()
            except BaseException:
                self._depth = 0
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._thaw()

    def _freeze(self) -> None:
        # freezegun's list of exempt modules costs a walk up the stack at every look at the clock, and exempts any
        # subject whose name begins alike ("gi" exempts "git_store"): off, and our own exact list below.
        exempt = freezegun_config.settings.default_ignore_list
        freezegun.configure(default_ignore_list=[])
        try:
            self._freezer = freezegun.freeze_time(_EPOCH + timedelta(microseconds=self._micros))
            self._factory = self._freezer.start()
        finally:
            freezegun.configure(default_ignore_list=exempt)
        for module, name, original in self._freezer.undo_changes:
            if _is_machinery(module.__name__):
                setattr(module, name, original)
        self._thread = threading.get_ident()
        self._replace(
            {
                "sleep": self._sleep,
                "clock_gettime": self._clock_gettime,
                "clock_gettime_ns": self._clock_gettime_ns,
                "ctime": self._ctime,
                "asctime": self._asctime,
            }
        )
        # freezegun puts the genuine ones back when it stops
        time.monotonic = _unless_machinery(time.monotonic, _REAL["monotonic"])
        time.perf_counter = _unless_machinery(time.perf_counter, _REAL["perf_counter"])
        self._zone = os.environ.get("TZ")
        _use_zone("UTC")

    def _thaw(self) -> None:
        _use_zone(self._zone)
        for module, name, original in reversed(self._undo):
            setattr(module, name, original)
        self._undo.clear()
        self._freezer.stop()
        self._freezer = self._factory = None

    def _replace(self, substitutes: dict[str, Callable[..., Any]]) -> None:
        """Put each substitute where the function of `time` with its name is found, in any loaded module."""
        by_identity = {id(_REAL[name]): substitute for name, substitute in substitutes.items()}
        for module in list(sys.modules.values()):
            names = getattr(module, "__dict__", None)
            if not isinstance(module, ModuleType) or names is None or names is globals():
                continue
            for name, value in list(names.items()):
                substitute = by_identity.get(id(value))
                if substitute is not None and not _is_machinery(module.__name__):
                    self._undo.append((module, name, value))
                    setattr(module, name, substitute)

    # A module loaded while frozen may keep one of these for good, and threads of the test machinery go through them:
    # each falls back to the genuine function outside of the freeze and its thread.

    def _mine(self) -> bool:
        return self._depth > 0 and threading.get_ident() == self._thread

    def _sleep(self, seconds: float) -> None:
        if not self._mine():
            _REAL["sleep"](seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.advance(seconds)

    def _clock_gettime(self, clock: int) -> float:
        if self._mine() and clock in _FROZEN_CLOCKS:
            return self._now
        return float(_REAL["clock_gettime"](clock))

    def _clock_gettime_ns(self, clock: int) -> int:
        if self._mine() and clock in _FROZEN_CLOCKS:
            return self._micros * 1000
        return int(_REAL["clock_gettime_ns"](clock))

    def _ctime(self, seconds: float | None = None) -> str:
        return str(_REAL["ctime"](self._now if seconds is None and self._mine() else seconds))

    def _asctime(self, *fields: Any) -> str:
        return str(_REAL["asctime"](*(fields or (time.localtime(),))))


def _unless_machinery(frozen: Callable[[], float], genuine: Callable[[], float]) -> Callable[[], float]:
    """The frozen time, but the genuine one for a caller that belongs to the test machinery."""

    def read() -> float:
        caller = sys._getframe(1).f_globals.get("__name__") or ""
        return genuine() if caller[0:1] in "_hxetq" and _is_machinery(caller) else frozen()

    return read


def _use_zone(name: str | None) -> None:
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    time.tzset()
