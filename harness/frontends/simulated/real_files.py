"""Which files of the real machine a subject may look at: the library, installed packages, time zones, its own source.

All of them read-only. Anything else that exists on the machine but not in the image is refused by name, so that a run
never depends on the machine it ran on.
"""

import os
import site
import sys
import sysconfig
from typing import Final

_lexists: Final = os.path.lexists
_realpath: Final = os.path.realpath


def _roots() -> tuple[str, ...]:
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [os.path.join(base, "lib") for base in (sys.prefix, sys.base_prefix) if base not in ("/", "/usr")]
    paths += site.getsitepackages()
    paths += [path for path in sys.path if path.rstrip("/").endswith(("site-packages", "dist-packages"))]
    paths += ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo", "/etc/localtime"]
    paths += [_realpath(path) for path in paths]
    return tuple(dict.fromkeys(path.rstrip("/") for path in paths))


ROOTS: Final = _roots()
_INSIDE: Final = tuple(root + "/" for root in ROOTS)
_ABOVE: Final = frozenset(
    "/".join(parts[:depth]) for root in ROOTS for parts in [root.split("/")] for depth in range(2, len(parts))
)


def exists(path: str) -> bool:
    return _lexists(path)


def is_readable(path: str) -> bool:
    """True for a file or folder whose content the subject may read."""
    return path in ROOTS or path.startswith(_INSIDE) or _is_source(path)


def is_visible(path: str) -> bool:
    """True for what it may stat: readable ones, and the folders above them (`realpath` looks at each)."""
    return is_readable(path) or path in _ABOVE or _is_source_folder(path)


def is_code(path: str) -> bool:
    """True for what the import system reads: source, bytecode and libraries below `sys.path`."""
    return path.endswith((".py", ".pyc", ".so", ".pth", ".dist-info", "METADATA")) or is_import_folder(path)


def is_import_folder(path: str) -> bool:
    """True for an entry of `sys.path` or a folder below one."""
    return any(path == entry or path.startswith(entry.rstrip("/") + "/") for entry in sys.path if entry)


_sources: Final[set[str]] = set()
_source_folders: Final[set[str]] = set()
_modules_seen = 0


def _learn_sources() -> None:
    global _modules_seen
    if len(sys.modules) == _modules_seen:
        return
    _modules_seen = len(sys.modules)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file not in _sources:
            _sources.add(file)
            folder = os.path.dirname(file)
            while folder not in _source_folders and folder != "/" and folder:
                _source_folders.add(folder)
                folder = os.path.dirname(folder)


def _is_source(path: str) -> bool:
    if not path.endswith((".py", ".pyc", ".so")):
        return False
    _learn_sources()
    return path in _sources


def _is_source_folder(path: str) -> bool:
    _learn_sources()
    return path in _source_folders
