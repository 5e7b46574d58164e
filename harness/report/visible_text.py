"""Text of a stranger made harmless to look at: what a screen would act on, or hide, is written out as an escape.

Bidirectional controls reorder a line before the reader's eyes (Boucher and Anderson, "Trojan Source", 2021), escape
sequences move the cursor of a terminal, zero-width characters hide. None of them survives; everything else does. Half
characters (lone surrogates) are written out too, so that the result can always be encoded.
"""

import re
from typing import Final

_NONCHARACTERS: Final = "".join(chr(plane << 16 | low) for plane in range(1, 0x11) for low in (0xFFFE, 0xFFFF))

_HIDDEN: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1, without tab and line feed
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible letters and marks
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, separators, bidirectional controls
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\ud800-\udfff\ufdd0-\ufdef"  # half characters, noncharacters
    f"\U000e0000-\U000e0fff{_NONCHARACTERS}"  # tags and further variation selectors
    "]"
)


def visible(text: str) -> str:
    """The text with everything invisible or acting written as `\\x1b`, `\\u202e`; tabs and line feeds stay."""
    return _HIDDEN.sub(_escape, text)


def on_one_line(text: str) -> str:
    """As `visible`, with tabs and line feeds written out too."""
    return visible(text).replace("\t", "\\t").replace("\n", "\\n")


def shortened(text: str, most: int) -> str:
    """At most `most` characters; what was cut is said by its number."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters)"


def as_text(data: bytes) -> str:
    """Bytes as ASCII with a dot for each byte that has no picture, as the right column of a hex view has it."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
