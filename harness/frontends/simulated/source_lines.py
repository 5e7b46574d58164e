"""Which line of the subject issued a call.

The innermost frame that belongs neither to the harness, nor to pyfakefs, the standard library or an installed package.
Code that has no file ("<string>", frozen modules) is passed over. A subject that lives in site-packages is not seen:
its caller is.
"""

import os
import sys
import sysconfig
from types import CodeType, FrameType
from typing import Final

from harness.trace import Source

_HARNESS: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_PASSED_OVER: Final = (
    "<",
    _HARNESS,
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
_STARTED_IN: Final = os.getcwd() + os.sep

_frame_at: Final = sys._getframe

# Keyed by identity: hashing a code object compares its constants. `_kept` keeps identities from being reused. `id` would
# say the same, but raises an audit event, and those cost more than all the rest.
_identity: Final = object.__hash__
_lines: Final[dict[int, dict[int, Source] | None]] = {}
_kept: Final[list[CodeType]] = []


def source_line(depth: int) -> Source | None:
    """The line of the subject, `depth` or more frames below; None where no frame is the subject's."""
    frame: FrameType | None = _frame_at(depth)
    while frame is not None:
        code = frame.f_code
        try:
            lines = _lines[_identity(code)]
        except KeyError:
            lines = _sort(code)
        if lines is not None:
            # f_lasti is stored; f_lineno is decoded from a table at each look
            at = frame.f_lasti
            found = lines.get(at)
            if found is None:
                found = lines[at] = Source(_short(code.co_filename), frame.f_lineno or 0, code.co_name)
            return found
        frame = frame.f_back
    return None


def no_line(depth: int) -> Source | None:
    """In place of `source_line` where nobody will ask."""
    return None


def _sort(code: CodeType) -> dict[int, Source] | None:
    _kept.append(code)
    name = code.co_filename
    lines: dict[int, Source] | None = None
    if not name.startswith(_PASSED_OVER) and f"{os.sep}site-packages{os.sep}" not in name:
        lines = {}
    _lines[_identity(code)] = lines
    return lines


def _short(name: str) -> str:
    return name.removeprefix(_STARTED_IN)
