"""Whose line is it: the innermost frame of an error that belongs to the subject, not to a library or to the harness."""

import sysconfig
import traceback
from pathlib import Path
from typing import Final

_LIBRARIES: Final = tuple(
    {f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {f"{Path(__file__).resolve().parent}/"}
)


def is_library(file: str) -> bool:
    """Whether a source file belongs to Python, an installed package or the harness."""
    return file.startswith((*_LIBRARIES, "<frozen"))


def innermost(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost own line; where there is none, the innermost at all; None for an error that was never raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not is_library(frame.filename)]
    chosen = own or list(frames)
    return chosen[-1] if chosen else None


def place_of(error: BaseException) -> str:
    """ " (file.py:12)", or nothing."""
    frame = innermost(error)
    return f" ({frame.filename.rpartition('/')[2]}:{frame.lineno})" if frame is not None else ""
