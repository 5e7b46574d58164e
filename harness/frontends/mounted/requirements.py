"""Requirements: what a mount needs of the machine and of the folder, each lack told in one sentence."""

import os
import shutil
from pathlib import Path
from typing import Final

from harness.frontends.mounted.guardian import mounts_on

DEVICE: Final = "/dev/fuse"
TOOL: Final = "fusermount3"


class MountError(Exception):
    """A folder cannot be mounted; the message says why and what to do, in one sentence."""


def find_tool() -> str:
    """The path of fusermount3. MountError where it or /dev/fuse is missing."""
    if not os.path.exists(DEVICE):
        raise MountError(
            f"{DEVICE} is missing: load the kernel's module with `modprobe fuse`, or start the container with "
            "`--device /dev/fuse --cap-add SYS_ADMIN`"
        )
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise MountError(f"{DEVICE} may not be opened by this user: ask for read and write permission on it")
    tool = shutil.which(TOOL)
    if tool is None:
        raise MountError(f"{TOOL} is missing: install the package fuse3 (`apt-get install fuse3`)")
    return tool


def prepare_root(root: Path) -> Path:
    """The folder to mount on, made where there is none. MountError where it is no empty folder of ours to cover."""
    root = root.parent.resolve() / root.name
    if mounts_on(str(root)):  # asked before anything else: a mount whose server does not answer keeps us waiting
        raise MountError(f"{root} is busy: something is mounted there already, unmount it (`{TOOL} -u -z {root}`)")
    root = root.resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
        content = os.listdir(root)
    except (FileExistsError, NotADirectoryError):
        raise MountError(f"{root} is not a folder: name one that is empty or does not exist yet") from None
    except OSError as error:
        raise MountError(f"{root} cannot be used: {error.strerror}; name a folder that is yours") from None
    if content:
        raise MountError(f"{root} is not empty ({content[0]} is in it): name an empty folder, and fill it with --setup")
    return root
