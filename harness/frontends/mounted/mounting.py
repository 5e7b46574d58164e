"""Mounting: the guardian starts fusermount3, which hands the open /dev/fuse over."""

import array
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from harness.frontends.mounted.requirements import MountError

PATIENCE_S: Final = 20.0
"""Seconds that a mount may take."""

Tell = Callable[[dict[str, object], Sequence[int]], None]
"""Tells the guardian something, with copies of open files."""


def mounted(root: Path, tell: Tell) -> int:
    """Mount on the folder; the descriptor on which the kernel asks, not waiting. MountError with fusermount3's reason."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    complaint, complains = os.pipe()
    with ours, os.fdopen(complaint, "rb") as errors:
        with theirs:
            try:
                options = mount_options(everybody=os.getuid() == 0)
                message: dict[str, object] = {"do": "mount", "folder": str(root), "options": options}
                tell(message, [theirs.fileno(), complains])
            finally:
                os.close(complains)
        ours.settimeout(PATIENCE_S)
        device = _received(ours)
        if device is None:
            raise MountError(_not_mounted(root, errors.read().decode(errors="replace")))
    os.set_blocking(device, False)
    return device


def mount_options(*, everybody: bool) -> str:
    """What fusermount3 is told. `everybody`: other users may look too (only root may ask for that)."""
    options = ["fsname=harness", "subtype=harness", "default_permissions", "nosuid", "nodev"]
    return ",".join([*options, *(["allow_other"] if everybody else [])])


def _received(channel: socket.socket) -> int | None:
    """The descriptor that fusermount3 hands over; None where it hands none."""
    descriptors = array.array("i")
    try:
        _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize), socket.MSG_CMSG_CLOEXEC)
    except OSError:
        return None
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: descriptors.itemsize])
    return descriptors[0] if descriptors else None


def _not_mounted(root: Path, complaint: str) -> str:
    said = complaint.strip().splitlines()[-1].removeprefix("fusermount3: ") if complaint.strip() else "no reason given"
    return f"{root} cannot be mounted: fusermount3 says: {said}"
