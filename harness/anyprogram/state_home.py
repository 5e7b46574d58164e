"""The home of all state folders of one sweep: in memory where there is room, and gone afterwards, whatever happened.

A guardian, a shell that waits for the end of a pipe which only we hold, ends what still runs below the home and removes it
when the harness itself was killed.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.anyprogram.state_folder import StateFolderError, remove

IN_MEMORY: Final = Path("/dev/shm")
SPARE: Final = 64 << 20
"""Bytes that must stay free in memory beyond the states."""

_GUARD: Final = """\
trap '' INT TERM HUP
read -r _ && exit
for found in $(grep -lzs "^HARNESS_ROOT=$1/" /proc/[0-9]*/environ) \
             $(find /proc -maxdepth 2 -name cwd -lname "$1/*" 2>/dev/null); do
  number=${found#/proc/}
  kill -9 "${number%/*}" 2>/dev/null
done
rm -rf -- "$1"
"""
"""A line on its input says that all is done; the end of its input without one, that the harness is gone."""


def place_for(needed: int) -> Path:
    """Where `needed` bytes of states go: /dev/shm if it has room, else the folder for temporary files."""
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK | os.X_OK):
        with contextlib.suppress(OSError):
            if shutil.disk_usage(IN_MEMORY).free >= needed + SPARE:
                return IN_MEMORY
    return Path(tempfile.gettempdir())


@contextlib.contextmanager
def state_home(needed: int = 0) -> Iterator[Path]:
    """A new folder for states of at most `needed` bytes together. Raises StateFolderError where none can be made."""
    place = place_for(needed)
    home = place / f"harness-states-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        home.mkdir(mode=0o700)
    except OSError as error:
        raise StateFolderError(
            f"no crash states can be written into {place}: {error.strerror}; TMPDIR names another"
        ) from None
    guardian = _guardian(home)
    try:
        yield home
    finally:
        remove(str(home))
        if guardian is not None:
            with contextlib.suppress(OSError):
                assert guardian.stdin is not None
                guardian.stdin.write(b"done\n")
                guardian.stdin.close()
            guardian.wait()


def _guardian(home: Path) -> "subprocess.Popen[bytes] | None":
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "harness-guardian", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    except OSError:  # no shell: nothing is left behind as long as we end in order
        return None
