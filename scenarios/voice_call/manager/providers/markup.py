"""XML answers: elements from parts that are escaped, so that no text of a caller becomes an instruction."""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from scenarios.voice_call.manager.provider_client import WebAnswer

# What XML 1.0 cannot hold in any form (section 2.2), lone surrogates included.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(words: str) -> str:
    """Words as character data."""
    return escape(_UNFIT.sub("", words))


def element(name: str, attributes: Mapping[str, str], *children: str) -> str:
    """An element; the children are finished markup."""
    told = "".join(f" {key}={quoteattr(_UNFIT.sub('', value))}" for key, value in attributes.items())
    return f"<{name}{told}>{''.join(children)}</{name}>" if children else f"<{name}{told}/>"


def document(*children: str) -> str:
    """A whole response."""
    return '<?xml version="1.0" encoding="UTF-8"?>' + element("Response", {}, *children)


def answer(*children: str) -> WebAnswer:
    """A whole response as the body of a 200."""
    return WebAnswer(document(*children).encode("utf-8"), "text/xml; charset=utf-8")
