"""Redirects `os`, `io`, `fcntl` and the built-in `open` of all loaded modules to the active kernel.

pyfakefs finds the modules and functions to rebind, rebinds them and puts them back; the calls land on our own modules
instead of its fake file system. One redirection serves a whole process: entering and leaving cost a scan of the loaded
modules, so it is entered once a sweep. Inside it calls reach the active kernel; without one they reach the real disk.

Modules imported while redirected keep their identity when it ends: their references to our modules are exchanged for
the real ones (pyfakefs would unload them, and give their classes a second identity).
"""

import fcntl
import genericpath
import glob
import io
import os
import posixpath
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar, Final

from pyfakefs.fake_filesystem_unittest import Patcher
from pyfakefs.mox3_stubout import StubOutForTesting

from harness.frontends.simulated import determinism, escapes, sim_fcntl, sim_io, sim_os
from harness.frontends.simulated.endings import ProcessDied
from harness.frontends.simulated.kernel import running

_REAL: Final[dict[str, ModuleType]] = {
    "os": os,
    "io": io,
    "fcntl": fcntl,
    "posixpath": posixpath,
    "genericpath": genericpath,
}


def _simulated_modules() -> dict[str, ModuleType]:
    simulated = {"os": sim_os.make_module(), "io": sim_io.make_module(), "fcntl": sim_fcntl.make_module()}
    simulated["posixpath"] = simulated["os"].path
    simulated["genericpath"] = simulated["posixpath"].genericpath
    for name, module in simulated.items():
        for attribute in ("__spec__", "__loader__", "__file__", "__package__"):
            setattr(module, attribute, getattr(_REAL[name], attribute, None))
    return simulated


class _SimulatedPatcher(Patcher):
    """pyfakefs' patcher over our modules, without its file system, its pathlib and its shutil."""

    CACHED_MODULES: ClassVar[set[ModuleType]] = set()
    FS_MODULES: ClassVar[dict[str, set[tuple[ModuleType, str]]]] = {}
    FS_FUNCTIONS: ClassVar[dict[tuple[str, str, str], set[ModuleType]]] = {}
    FS_DEFARGS: ClassVar[list[Any]] = []
    SKIPPED_FS_MODULES: ClassVar[dict[str, set[tuple[ModuleType, str]]]] = {}

    def __new__(cls) -> "_SimulatedPatcher":
        # pyfakefs keeps one patcher a process; a subject's tests may have theirs
        return object.__new__(cls)

    def __init__(self) -> None:
        self._simulated = _simulated_modules()
        self._counterparts: dict[int, Any] = {}
        # the modules themselves, not their names: one that is loaded anew under its old name is another one
        self._loaded_before: dict[str, ModuleType] = {}
        self._modules_scanned: dict[str, ModuleType] = {}
        super().__init__(use_known_patches=False, use_dynamic_patch=False)
        for name, module in self._simulated.items():
            self._counterparts[id(module)] = _REAL[name]
            for attribute, value in module.__dict__.items():
                real = _REAL[name].__dict__.get(attribute)
                if callable(value) and value is not real and real is not None:
                    self._counterparts[id(value)] = real
        self.__class__.SKIPMODULES = self.SKIPMODULES | {
            module
            for name, module in sys.modules.items()
            if name.startswith(("harness.frontends.simulated", "pyfakefs", "_frozen_importlib", "importlib._bootstrap"))
        }
        self._refresh()

    def _init_fake_module_classes(self) -> None:
        self._fake_module_classes = dict.fromkeys(self._simulated)

    def _init_fake_module_functions(self) -> None:
        # function name -> defining module -> (ours, the module to bind it to: none)
        homes = {"os": ("os", "posix"), "io": ("io", "_io"), "fcntl": ("fcntl",)}
        for name, module in self._simulated.items():
            for attribute, value in module.__dict__.items():
                real = _REAL[name].__dict__.get(attribute)
                if callable(value) and value is not real and real is not None and not isinstance(value, type):
                    known = self._fake_module_functions.setdefault(getattr(real, "__name__", attribute), {})
                    for home in homes.get(name, (name,)):
                        known.setdefault(home, (value, name))

    def _refresh(self) -> None:
        self._stubs: Any = StubOutForTesting()  # type: ignore[no-untyped-call]  # pyfakefs has no annotations there
        self.fake_modules = dict(self._simulated)
        self.unfaked_modules = {}
        self._isStale = False

    def patch_functions(self) -> None:
        for (name, function, home), modules in self.FS_FUNCTIONS.items():
            ours, _ = self._fake_module_functions[function][home]
            for module in modules:
                self._stubs.smart_set(module, name, ours)

    def start_patching(self) -> None:
        if self._patching:
            return
        loaded = dict(sys.modules)
        if not _same_modules(self._modules_scanned, loaded):
            self.clear_cache()
            with warnings.catch_warnings():
                # looking at a module's attributes makes some of them warn
                warnings.simplefilter("ignore")
                self._find_modules()
            self._modules_scanned = loaded
        self._patching = True
        self._paused = False
        self._loaded_before = loaded
        self.patch_modules()
        self.patch_functions()
        sys.modules.update(self._simulated)
        sys.modules["os.path"] = self._simulated["posixpath"]
        _set_glob_functions(self._simulated["os"])
        _set_tempfile_defaults(self._simulated["os"])

    def stop_patching(self, temporary: bool = False) -> None:
        if not self._patching:
            return
        self._patching = False
        self._paused = temporary
        self._stubs.smart_unset_all()
        sys.modules.update(_REAL)
        sys.modules["os.path"] = posixpath
        _set_glob_functions(os)
        _set_tempfile_defaults(os)
        for name, module in list(sys.modules.items()):
            if self._loaded_before.get(name) is not module:
                self._make_real(module)

    def _make_real(self, module: ModuleType) -> None:
        space = getattr(module, "__dict__", None)
        if not isinstance(space, dict):
            return
        for name, value in list(space.items()):
            real = self._counterparts.get(id(value))
            if real is not None:
                space[name] = real


def _same_modules(one: dict[str, ModuleType], other: dict[str, ModuleType]) -> bool:
    # by identity: some modules have an == of their own
    return len(one) == len(other) and all(other.get(name) is module for name, module in one.items())


def _set_glob_functions(module: ModuleType) -> None:
    # 3.13 keeps functions of `os` as class attributes
    globber = getattr(glob, "_StringGlobber", None)
    for name in ("lstat", "scandir"):
        if globber is not None and name in globber.__dict__:
            setattr(globber, name, staticmethod(getattr(module, name)))


def _set_tempfile_defaults(module: ModuleType) -> None:
    # the closer of a named temporary file keeps `os.unlink` as a default argument
    for name in ("close", "cleanup"):
        function = getattr(vars(tempfile)["_TemporaryFileCloser"], name, None)
        defaults = getattr(function, "__defaults__", None)
        if function is not None and defaults:
            function.__defaults__ = tuple(module.unlink if callable(value) else value for value in defaults)


def _nothing() -> None:
    pass


class Redirection:
    """The redirection of this process: enter it once a sweep; it nests."""

    _shared: ClassVar["Redirection | None"] = None

    @classmethod
    def shared(cls) -> "Redirection":
        """The one redirection; built at the first use."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def __init__(self) -> None:
        self._patcher = _SimulatedPatcher()
        self._depth = 0
        self._writes_bytecode = True
        self._unraisable = sys.unraisablehook
        self._undo_seeding: Callable[[], None] = _nothing

    def __enter__(self) -> "Redirection":
        if self._depth == 0:
            self._start()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The real file system inside."""
        if self._depth == 0:
            yield
            return
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        escapes.watch()
        self._patcher.start_patching()
        # bytecode would be written past the redirection, and is a write to the real disk
        self._writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        self._unraisable = previous = sys.unraisablehook

        def hook(unraisable: Any, /) -> None:
            # a buffered writer that dies with its process has nothing to say
            if not isinstance(unraisable.exc_value, ProcessDied):
                previous(unraisable)

        sys.unraisablehook = hook
        self._undo_seeding = determinism.install(lambda: running.kernel)

    def _stop(self) -> None:
        self._undo_seeding()
        self._patcher.stop_patching(temporary=True)
        sys.dont_write_bytecode = self._writes_bytecode
        sys.unraisablehook = self._unraisable
