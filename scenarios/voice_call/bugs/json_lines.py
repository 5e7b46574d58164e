"""Lines of the log as plain JSON text: what bugs of reading and writing text have in common. No bug of its own."""

import json
import zlib
from typing import Any

from scenarios.voice_call.manager.records import CallRecord, delta
from scenarios.voice_call.manager.store import Store


def unescaped_line(*, seq: int, gen: int, call: str, kind: str, body: dict[str, Any]) -> bytes:
    """A line as the reference writes it, but for characters beyond ASCII: they are written as they are, in UTF-8."""
    fields = {"v": 1, "seq": seq, "gen": gen, "call": call, "kind": kind, "body": body}
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[:-1].encode("utf-8")
    return head + f',"crc":"{zlib.crc32(head):08x}"}}\n'.encode("ascii")


class UnescapingStore(Store):
    """Writes what was said as it was said."""

    def line_of(self, before: CallRecord | None, after: CallRecord, kind: str) -> bytes:
        body = delta(before, after)
        return unescaped_line(seq=self._seq + 1, gen=self._gen, call=after.call_id, kind=kind, body=body)
