"""Reading a bundle that may come from a stranger: data only, from inside its folder, of a bounded size.

Every file is opened without following a link, in its last part or before it, and must be a regular file of a bounded
size. Nothing is written. No code of the subject runs here: that is `harness judge`, as with `harness replay`.
"""

import contextlib
import errno
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.disk import DiskImage
from harness.report.bundle import BUNDLE_KIND, BUNDLE_SCHEMA, LARGEST_STATE, BundleState
from harness.report.plain_values import NotPlain, restored
from harness.repro import LARGEST, ReproError, ReproFile, load
from harness.stored_image import ImageFileError, decode_image
from harness.trace import Mark

LARGEST_TEXT: Final = 4 * 2**20
"""Bytes of a text or a ledger."""

_LATEST_S: Final = 2**33
"""Seconds since the epoch: no case restarts after the year 2242."""


class BundleError(ValueError):
    """The folder cannot be used as a bundle; the message says why and what to do."""


class Bundle(msgspec.Struct, frozen=True):
    """What a bundle holds: the case, what the judge needs (`state`), the marks at the death."""

    folder: Path
    repro: ReproFile
    state: BundleState
    marks: tuple[Mark, ...]


class _MarkFile(msgspec.Struct, frozen=True):
    kind: str
    event: str = ""
    detail: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)


class _LedgerRows(msgspec.Struct, frozen=True):
    marks: tuple[_MarkFile, ...]


def open_bundle(folder: Path) -> Bundle:
    """Read and check it. BundleError for anything else than a bundle."""
    state = _decoded(folder, "state.json", BundleState, 2 * LARGEST_STATE)
    if state.kind != BUNDLE_KIND:
        raise BundleError(f"{folder} is no bundle: its state.json is of kind {state.kind!r}")
    if not 1 <= state.schema <= BUNDLE_SCHEMA:
        raise BundleError(
            f"{folder} has bundle schema {state.schema}, this version reads up to {BUNDLE_SCHEMA}: upgrade crash-harness"
        )
    if not 0 <= state.at <= _LATEST_S or not math.isfinite(state.at):
        raise BundleError(f"{folder}/state.json restarts at {state.at!r} seconds since the epoch: that is no time")
    rows = _decoded(folder, "ledger.json", _LedgerRows, LARGEST_TEXT)
    marks = tuple([Mark(row.kind, row.event, row.detail) for row in rows.marks])
    return Bundle(folder, _repro(folder), state, marks)


def image_of(bundle: Bundle) -> DiskImage:
    """The disk that was found. BundleError where the bundle has none, or no tree of safe names."""
    if bundle.state.cannot:
        raise BundleError(f"{bundle.folder} cannot be judged again: {bundle.state.cannot}")
    try:
        return decode_image(bytes(bundle.state.image))
    except (ImageFileError, msgspec.MsgspecError, ValueError) as error:
        raise BundleError(f"{bundle.folder}/state.json: {error}") from None


def world_of(bundle: Bundle) -> Any:
    """What the outside world remembered, as plain values."""
    try:
        return restored(bundle.state.world)
    except NotPlain as error:
        raise BundleError(f"{bundle.folder}/state.json: the memory of the outside world: {error}") from None


def text_in(bundle: Bundle, name: str) -> str:
    """One of the bundle's texts; "" where it is not there."""
    try:
        return _read(bundle.folder, name, LARGEST_TEXT).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise BundleError(f"cannot read {bundle.folder}/{name}: {error.strerror or error}") from None


def _repro(folder: Path) -> ReproFile:
    try:
        _read(folder, "repro.json", LARGEST)
        return load(folder / "repro.json")
    except OSError as error:
        raise BundleError(f"cannot read {folder}/repro.json: {error.strerror or error}") from None
    except ReproError as error:
        raise BundleError(str(error)) from None


def _decoded(folder: Path, name: str, kind: Any, most: int) -> Any:
    try:
        return msgspec.json.decode(_read(folder, name, most), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{folder}/{name} is not what a bundle has there: {error}") from None
    except OSError as error:
        raise BundleError(f"cannot read {folder}/{name}: {error.strerror or error}") from None


def _read(folder: Path, name: str, most: int) -> bytes:
    """A regular file right in the folder, of at most `most` bytes. OSError for anything else."""
    with _opened(folder, os.O_DIRECTORY) as above, _opened(name, os.O_NOFOLLOW | os.O_NONBLOCK, above) as file:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, at most {most} are read")
        with open(file, "rb", closefd=False) as stream:
            return stream.read(most)


@contextlib.contextmanager
def _opened(path: str | Path, flags: int, above: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
