"""What works on this machine: each thing the harness can use, what was found of it, and what it gives.

Looks, and changes nothing: no mount is made, nothing is installed. It does not say that a thing *will* work: a mount may
still be refused by the rules of a container. Versions are those of the metadata of installed packages; their lower
bounds are the ones that this distribution declares.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

import msgspec

DISTRIBUTION: Final = "crash-harness"

EXTRAS: Final = {
    "dask": "a run on more than one machine (`harness run --executor`)",
    "serve": "the call manager as a real web server",
}
"""What each extra of the distribution gives."""


class Check(msgspec.Struct, frozen=True):
    """`found` is a version, a path, or why there is none. Without a `needed` thing the harness does not run at all."""

    name: str
    works: bool
    found: str
    gives: str
    needed: bool = False


def checks() -> list[Check]:
    """Python, the libraries, the mounted frontend, the extras, and the machine's root tools, in this order."""
    return [python(sys.version_info[:3]), *libraries(), mounted(), *root_tools(os.geteuid(), shutil.which)]


def python(running: tuple[int, int, int]) -> Check:
    found = ".".join(map(str, running))
    return Check("Python", running >= (3, 11), f"{found}, needed is 3.11 or newer", "everything", needed=True)


def libraries() -> list[Check]:
    """One for each required library, and one for each of those that an extra of `EXTRAS` brings."""
    found: list[Check] = []
    try:
        declared = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:
        said = "not installed, only found on sys.path: pip install -e . in its folder"
        return [Check(DISTRIBUTION, False, said, "scenarios by name, and `harness` on PATH")]
    for line in declared:
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        if extra is None:
            found.append(_library(name, "everything", needed=True))
        elif extra[1] in EXTRAS:
            missing = f"pip install '{DISTRIBUTION}[{extra[1]}]'"
            found.append(_library(name, EXTRAS[extra[1]], needed=False, missing=missing))
    return found


def _library(name: str, gives: str, *, needed: bool, missing: str = "reinstall crash-harness") -> Check:
    try:
        return Check(name, True, version(name), gives, needed)
    except PackageNotFoundError:
        return Check(name, False, f"not installed: {missing}", gives, needed)


def mounted() -> Check:
    """Whether a folder could be mounted and recorded."""
    from harness.frontends.mounted.requirements import DEVICE, MountError, find_tool

    gives = "any program, recorded on a mounted folder (`harness record`, `harness fault`)"
    try:
        tool = find_tool()
    except MountError as error:
        return Check("FUSE", False, str(error), gives)
    return Check("FUSE", True, f"{DEVICE}, {tool}", gives)


def root_tools(user: int, find: Callable[[str], str | None]) -> list[Check]:
    """What a real file system on a loop device takes. No command uses one yet."""
    gives = "nothing yet: it takes root, a loop device and mkfs to hold a profile against a real file system"
    loop = "/dev/loop-control"
    makers = {name: find(f"mkfs.{name}") for name in ("ext4", "xfs", "btrfs")}
    return [
        Check("root", user == 0, f"user {user}", gives),
        Check("loop devices", os.path.exists(loop), loop if os.path.exists(loop) else f"no {loop}", gives),
        *(
            Check(f"mkfs.{name}", path is not None, path or f"no mkfs.{name} on PATH", gives)
            for name, path in makers.items()
        ),
    ]
