"""The manager's log in the hands of others: media, editors, other versions and other writers, and what they make of it.

The shape of a line stands here once more, and not by the manager's own code: who changes a file knows its format only.
"""

import json
import os
import zlib
from collections.abc import Iterable
from typing import Any, Final

_SEAL: Final = len(',"crc":"00000000"}')


def log_of(store: str) -> str:
    """Where the log of this store is."""
    return os.path.join(store, "calls.jsonl")


def read_lines(path: str) -> list[bytes]:
    """The lines, each with its LF; the last one may have none."""
    with open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


def put(path: str, content: bytes) -> None:
    """Another file takes the place of the log, durably."""
    with open(path + ".new", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def fields_of(line: bytes) -> dict[str, Any]:
    """What an intact line says."""
    said: dict[str, Any] = json.loads(line)
    return said


def is_intact(line: bytes) -> bool:
    """Whether anybody can read what it says."""
    try:
        return bool(fields_of(line)["seq"] >= 0)
    except (ValueError, KeyError, TypeError):
        return False


def sealed(fields: dict[str, Any]) -> bytes:
    """A line that says this, with a checksum that fits."""
    said = {key: value for key, value in fields.items() if key != "crc"}
    return sealed_text(json.dumps(said, separators=(",", ":"))[:-1].encode("ascii"))


def sealed_text(head: bytes) -> bytes:
    """These bytes as a line whose checksum fits, whatever they are."""
    return head + f',"crc":"{zlib.crc32(head):08x}"}}\n'.encode("ascii")


def resealed(line: bytes, **others: Any) -> bytes:
    """The same line, but for these fields of it, as its writer would have written it."""
    return sealed(fields_of(line) | others)


def with_fields(line: bytes, **values: Any) -> bytes:
    """The same line, which also says this about its call."""
    body = fields_of(line)["body"]
    return resealed(line, body=body | {"set": body["set"] | values})


def scratched(line: bytes) -> bytes:
    """What a medium makes of a line: bytes in its middle are others, behind the name of its call."""
    middle = (len(line) + line.index(b'"body"')) // 2
    return line[:middle] + b"####" + line[middle + 4 :]


def beheaded(line: bytes) -> bytes:
    """What a medium makes of a line: not even whose it was can be read."""
    return b"#" * 40 + line[40:]


def lines_about(lines: Iterable[bytes], call: str) -> list[int]:
    """The places of the lines of a call, by its internal id."""
    return [number for number, line in enumerate(lines) if fields_of(line)["call"] == call]
