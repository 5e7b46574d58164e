"""Randomness from the seed: os.urandom, uuid4, secrets, `random`, process ids, temporary names, directory order.

While a kernel is active these depend on its seed only, in each process and under each hash seed. The module-wide
generator of `random` is seeded anew whenever another kernel was active in between (with the number of the activation,
so that a second one goes on differently). Seeding costs as much as a small recovery, and most lives draw nothing: it is
left out where the generator's state is, byte for byte, what the same seed has left there.
Not covered: C extensions that draw their own randomness, `hash()` of strings.
"""

import _random
import ctypes
import random
import sys
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import xxhash

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

_generator: Final[random.Random] = random.seed.__self__  # type: ignore[attr-defined]  # a bound method
_seed_generator: Final[Callable[[int], None]] = super(random.Random, _generator).seed


class Entropy:
    """The kernel's own source of random bytes: one stream a kernel, drawn from by all of a life's calls."""

    __slots__ = ("_random",)

    def __init__(self, seed: int) -> None:
        self._random = random.Random(xxhash.xxh3_64_intdigest(b"entropy", seed=seed % 2**64))

    def bytes(self, count: int) -> "bytes":
        return self._random.randbytes(count)


def entropy_of(kernel: "Kernel") -> Entropy:
    if kernel.entropy is None:
        kernel.entropy = Entropy(kernel.seed)
    return kernel.entropy


def process_id(kernel: "Kernel") -> int:
    """The process id of this life: 2 to 30,001."""
    return 2 + xxhash.xxh3_64_intdigest(b"pid", seed=kernel.seed % 2**64) % 30_000


def name_order(seed: int) -> Callable[[str], int]:
    """A sort key for the names of a folder: neither sorted nor in order of creation, the same for one seed.

    Nor does it follow from the folder's inode: what two disks with the same names and contents show must be the same.
    """
    mixed = seed * 0x9E3779B97F4A7C15 % 2**64
    digest = xxhash.xxh3_64_intdigest

    def key(name: str) -> int:
        return digest(name.encode("utf-8", "surrogateescape"), seed=mixed)

    return key


class _Global:
    """Whose numbers the module-wide generator draws now, and what the last seeding left in it."""

    __slots__ = ("_number", "_state", "kernel")

    def __init__(self) -> None:
        self.kernel: Kernel | None = None
        self._number = -1
        self._state: bytes | None = None

    def serve(self, kernel: "Kernel") -> None:
        kernel.activations += 1
        if self.kernel is kernel:
            return
        self.kernel = kernel
        number = kernel.seed * 1_000_003 + kernel.activations
        _generator.gauss_next = None  # type: ignore[attr-defined]  # not in typeshed
        if self._state is None or number != self._number or self._state != _memory.raw:
            # what `random.seed` does with a number, without its detour
            _seed_generator(number)
            self._number = number
            self._state = _memory.raw if _MEMORY_TELLS else None


_memory: Final = (ctypes.c_char * (_random.Random.__basicsize__ - object.__basicsize__)).from_address(
    id(_generator) + object.__basicsize__
)
"""The C part of the generator behind its object header: all of its state, whatever its layout. Only ever read."""


def _memory_tells() -> bool:
    """Whether seeds and draws show in `_memory`: they would not in an interpreter that keeps the state elsewhere."""
    state = random.getstate()
    try:
        seen: list[bytes] = []
        for number in (1, 2, 1):
            _seed_generator(number)
            seen.append(_memory.raw)
        _generator.random()
        seen.append(_memory.raw)
    finally:
        random.setstate(state)
    return seen[0] == seen[2] != seen[1] and seen[3] != seen[2]


_MEMORY_TELLS: Final = _memory_tells()

_global: Final = _Global()


class _TemporaryNames:
    """Candidate names for tempfile, from the kernel that is served."""

    __slots__ = ()

    _LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789_"

    def __iter__(self) -> "_TemporaryNames":
        return self

    def __next__(self) -> str:
        kernel = _global.kernel
        assert kernel is not None  # `begin` has put these names in place
        return "".join(self._LETTERS[byte % len(self._LETTERS)] for byte in entropy_of(kernel).bytes(8))


_temporary_names: Final = _TemporaryNames()


_NODE: Final = 0x02_00_00_00_00_01
"""A locally administered MAC address, for uuid1."""


def install(kernel_now: "Callable[[], Kernel | None]") -> Callable[[], None]:
    """Make generators without a seed draw theirs from the kernel; what it returns undoes it, and all seeding since."""
    real_seed, real_module_seed = random.Random.seed, random.seed
    state = random.getstate()

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        kernel = kernel_now()
        if a is None and kernel is not None:
            a = int.from_bytes(entropy_of(kernel).bytes(16), "big")
        real_seed(self, a, version)

    def module_seed(a: Any = None, version: int = 2) -> None:
        seed(real_module_seed.__self__, a, version)  # type: ignore[attr-defined]  # a bound method

    uuid_names = {"_node": _NODE, "_generate_time_safe": None}
    uuid_before = {name: vars(uuid).get(name) for name in uuid_names}
    vars(uuid).update(uuid_names)
    _global.kernel = None
    setattr(random.Random, "seed", seed)  # noqa: B010  # mypy allows no assignment to a method
    vars(random)["seed"] = module_seed

    def undo() -> None:
        setattr(random.Random, "seed", real_seed)  # noqa: B010  # as above
        vars(random)["seed"] = real_module_seed
        vars(uuid).update(uuid_before)
        random.setstate(state)
        _global.kernel = None

    return undo


Restore: TypeAlias = tuple[object, object]

_uuid_names: Final = vars(uuid)


def begin(kernel: "Kernel") -> Restore:
    """Seed everything for `kernel`; returns what `end` puts back."""
    _global.serve(kernel)
    _uuid_names["_last_timestamp"] = None  # uuid1 counts up from it
    tempfile = sys.modules.get("tempfile")
    if tempfile is None:
        return None, None
    names = tempfile.__dict__
    before = names["_name_sequence"], names["tempdir"]
    names["_name_sequence"] = _temporary_names
    names["tempdir"] = "/tmp"
    return before


def end(before: Restore, kernel: "Kernel | None") -> None:
    """Put back what `begin` changed; `kernel` is the one that is active again, if any."""
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        names = tempfile.__dict__
        names["_name_sequence"], names["tempdir"] = before
    if kernel is not None:
        _global.serve(kernel)
