"""Saved cases of any program: a trace up to a death, the disk found, the checker; one JSON file that plays by itself.

Loading one runs no code and believes nothing: the trace is held against the rules of `recorded_run`. Playing it runs the
command that is in it, as whoever plays it: look at a stranger's first (`harness replay` prints it before it runs).
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.anyprogram.checker import Answer, Checker, CheckerError, checker
from harness.anyprogram.recorded_run import LARGEST_TRACE, RecordedRun, UnfitTrace, demand_sound
from harness.anyprogram.state_folder import StateFolder
from harness.anyprogram.state_home import state_home
from harness.anyprogram.strays import Strays
from harness.anyprogram.sweep import Hit
from harness.disk import DiskImage
from harness.durability.legality import image_of
from harness.durability.state import CrashState
from harness.stored_image import ImageFileError, decode_image, encode_image
from harness.trace import Trace, TraceFileError, decode, encode

KIND: Final = "crash-harness check"
CASE_SCHEMA: Final = 1


class Finding(msgspec.Struct, frozen=True):
    """What was found, for readers of the file."""

    verdict: str
    summary: str
    operation: str
    source: str
    profiles: tuple[str, ...]


class CaseFile(msgspec.Struct, frozen=True):
    """The JSON document. `check` was typed in folder `typed_in`; `base` and `trace` are documents of their own;
    `disk` is the digest of the disk that `state` gives."""

    kind: str
    schema: int
    name: str
    found: Finding
    check: str
    typed_in: str
    time_limit_s: float
    state: CrashState
    disk: str
    base: msgspec.Raw
    trace: msgspec.Raw


class CaseError(ValueError):
    """The file cannot be used; the message says why and what to do."""


class Played(msgspec.Struct, frozen=True):
    """`matches`: the disk is the saved one, byte for byte."""

    run: RecordedRun
    image: DiskImage
    answer: Answer
    matches: bool


def case_of(run: RecordedRun, hit: Hit, found: Finding, used: Checker) -> CaseFile:
    """The case of one refused disk, with as much of the trace as led to it."""
    cut = hit.state.cut
    end = max(hit.position, cut[0] + 1 if cut is not None else 0)
    trace = Trace()
    for position in range(end):
        trace.record(run.items[position], run.sources[position], run.trace.times[position])
    return CaseFile(
        KIND,
        CASE_SCHEMA,
        run.name,
        found,
        used.command.text,
        used.command.typed_in,
        used.time_limit_s,
        hit.state,
        hit.image.digest(),
        msgspec.Raw(encode_image(run.base)),
        msgspec.Raw(encode(trace)),
    )


def save_case(case: CaseFile, folder: Path) -> Path:
    """Write `<verdict>-<digest>.repro.json` into `folder`, created if needed; an equal case overwrites itself."""
    data = msgspec.json.encode(case, order="deterministic")
    named = msgspec.json.encode([case.check, case.state, case.disk, case.trace], order="deterministic")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.found.verdict}-{hashlib.sha256(named).hexdigest()[:12]}.repro.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(data, indent=1) + b"\n")
    temporary.replace(path)
    return path


def is_case_file(path: Path) -> bool:
    """Whether the file says of itself that it is one; nothing is raised."""
    try:
        with path.open("rb") as file:
            return f'"{KIND}"'.encode() in file.read(256)
    except OSError:
        return False


def load_case(path: Path) -> CaseFile:
    """Read a case file. Raises CaseError with a sentence for anything else."""
    try:
        size = path.stat().st_size
        if size > 2 * LARGEST_TRACE:
            raise CaseError(f"{path} has {size} bytes; a saved case has at most {2 * LARGEST_TRACE}")
        data = path.read_bytes()
    except OSError as error:
        raise CaseError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        head = msgspec.json.decode(data, type=dict[str, Any])
        if head.get("kind") != KIND:
            raise CaseError(f'{path} is not a saved case: it lacks "kind": "{KIND}"')
        schema = head.get("schema")
        if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
            raise CaseError(f"{path} is not a saved case: its schema is {schema!r}, not a positive number")
        if schema > CASE_SCHEMA:
            raise CaseError(
                f"{path} has schema {schema}, this version reads up to {CASE_SCHEMA}: upgrade crash-harness"
            )
        return msgspec.json.decode(data, type=CaseFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CaseError(f"{path} is not a saved case: {error}") from None


def run_of_case(case: CaseFile) -> tuple[RecordedRun, DiskImage]:
    """(the run up to the death, the disk found). Raises CaseError where they do not fit each other."""
    try:
        base = decode_image(bytes(case.base))
        trace = decode(bytes(case.trace))
        demand_sound(case.name, base, trace.items)
        return RecordedRun(case.name, base, trace), image_of(base, trace.items, case.state)
    except (ImageFileError, TraceFileError, UnfitTrace, ValueError, RecursionError) as error:
        raise CaseError(f"the saved case cannot be played: {error}") from None


def checker_of(case: CaseFile) -> Checker:
    """The saved checker: files of its command line are looked for here, then where it was typed. Raises CheckerError."""
    there = Path(case.typed_in)
    if not there.is_dir():
        return checker(case.check, time_limit_s=case.time_limit_s)
    try:
        return checker(case.check, time_limit_s=case.time_limit_s, typed_in=there)
    except CheckerError:
        return checker(case.check, time_limit_s=case.time_limit_s)


def play_case(case: CaseFile, used: Checker) -> Played:
    """Restore the disk and run the checker once. Raises CaseError, CheckerError, StateFolderError."""
    run, image = run_of_case(case)
    position = min(case.state.position, run.end)
    with state_home(run.largest_state) as home, Strays() as strays:
        root = StateFolder(home / "w0").restore(image)
        try:
            answer = used.check(root, run.input_at(position))
        finally:
            strays.end_of(root)
    return Played(run, image, answer, image.digest() == case.disk)
