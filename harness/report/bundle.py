"""A bundle: one finding as a folder that can be read, sent, and judged again without the run that found it.

    repro.json      the saved case, as beside the bundle
    timeline.txt    at most thirty lines
    disk/before/    what the subject believed to be on the disk at its last death, as files
    disk/after/     what was found
    diff.txt        the differing bytes, in hex and text
    ledger.json     what the outside world knew at the death
    faults.json     the faults that were planned, and those that fired
    state.json      what `harness judge` needs beside these: the disk found, the time, the memory of the outside world

Names of the case's disk never become names of this one unchecked: what is not plain is percent-encoded, symbolic links
are files that hold their target, and nothing is written outside of the folder. The files under disk/ are for people;
`state.json` is what is judged. What is too large is left out and named in `state.json`.
"""

import hashlib
import os
import re
import shutil
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.explore.recording import Recording
from harness.explore.saved_case import Death
from harness.ledger import Ledger
from harness.report.byte_view import diff_lines
from harness.report.failure import lines
from harness.report.plain_values import NotPlain, stored
from harness.report.retelling import disk_after, file_changes, story_of
from harness.report.short_timeline import timeline_lines
from harness.report.telling import Telling
from harness.report.visible_text import visible
from harness.repro import Replay, encode, name_of
from harness.stored_image import encode_image
from harness.trace import ROOT, Mark

BUNDLE_KIND: Final = "crash-harness bundle"
BUNDLE_SCHEMA: Final = 1

LARGEST_FILE: Final = 4 * 2**20
"""Bytes of one file under disk/; larger ones are named, not written."""

LONGEST_PATH: Final = 3_000
"""Characters of a path below the folder: the system's limit is 4,096 for all of it."""

LARGEST_STATE: Final = 8 * 2**20
"""Bytes of the disk in state.json."""

DIFF_LINES: Final = 4_000

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.,=+@ -]{1,120}")


class BundleState(msgspec.Struct, frozen=True):
    """state.json. `image`, `world`, `at` are those of the last death; `cannot`: why it cannot be judged again, or
    "". `lacks`: what the judge will miss, or "".

    `at`: seconds since the epoch (virtual) of the restart. `world`: as `plain_values` stores it.
    """

    kind: str
    schema: int
    at: float = 0.0
    fault_fired: bool = False
    world: Any = None
    image: msgspec.Raw = msgspec.Raw(b"null")
    cannot: str = ""
    lacks: str = ""
    left_out: tuple[str, ...] = ()


def folder_name(telling: Telling) -> str:
    """`<verdict>-<digest>`, as the name of the repro file."""
    return safe_name(name_of(telling.file).removesuffix(".repro.json"))


def save_bundle(telling: Telling, out: Path, command: str = "", mend: Sequence[str] = ()) -> Path:
    """Write the bundle of a played finding into `out`, created if needed; an equal one is replaced.

    ValueError without a replay. OSError where the folder cannot be written, or something else has its name.
    """
    if telling.replay is None:
        raise ValueError(f"no bundle of {folder_name(telling)}: {telling.why_not}")
    folder = out / folder_name(telling)
    if folder.is_symlink() or (folder.exists() and not (folder / "state.json").is_file()):
        raise FileExistsError(17, "something that is no bundle has this name", str(folder))
    out.mkdir(parents=True, exist_ok=True)
    making = out / f".{folder.name}.{os.getpid()}.tmp"
    shutil.rmtree(making, ignore_errors=True)
    try:
        making.mkdir()
        _fill(making, telling, telling.replay, command, mend)
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _fill(folder: Path, telling: Telling, replay: Replay, command: str, mend: Sequence[str]) -> None:
    (folder / "repro.json").write_bytes(encode(telling.file))
    text = timeline_lines(story_of(replay), lines(telling.finding, command, mend))
    _write_text(folder / "timeline.txt", text)
    before, after = last_disks(replay)
    left_out = write_tree(before, folder / "disk" / "before")
    if after is not None:
        left_out += write_tree(after, folder / "disk" / "after")
        _write_text(folder / "diff.txt", _bounded_diff(before, after))
    else:
        _write_text(folder / "diff.txt", ["nobody died in this case: there is no disk that was found"])
    life = _last_life(replay)
    ledger = _ledger(replay, life)
    (folder / "ledger.json").write_bytes(_json(_ledger_document(ledger)))
    (folder / "faults.json").write_bytes(_json(_faults_document(replay)))
    (folder / "state.json").write_bytes(_json(_state(replay, life, after, left_out)))


def last_disks(replay: Replay) -> tuple[DiskImage, DiskImage | None]:
    """(what the subject believed, what was found) at the last death; None where nobody died."""
    deaths, played = replay.file.case.deaths, replay.played
    if deaths and played.disks:
        life = played.lives[len(played.disks) - 1]
        return disk_after(life.base, life.items[: deaths[len(played.disks) - 1].position]), played.disks[-1]
    for segment in reversed(played.segments):
        if segment.found is not None:
            return disk_after(segment.base, segment.trace.items), segment.found
    if played.segments:
        last = played.segments[-1]
        return disk_after(last.base, last.trace.items), None
    return disk_after(played.lives[-1].base, played.lives[-1].items), None


def _last_life(replay: Replay) -> Recording | None:
    deaths = replay.file.case.deaths
    return replay.played.lives[len(deaths) - 1] if deaths and len(replay.played.lives) >= len(deaths) else None


def _ledger(replay: Replay, life: Recording | None) -> Ledger:
    if life is not None:
        return life.ledger_at(replay.file.case.deaths[-1].position)
    if replay.played.lives:
        return replay.played.lives[-1].ledgers[-1]
    return Ledger.of(
        item for segment in replay.played.segments for item in segment.trace.items if isinstance(item, Mark)
    )


def _state(replay: Replay, life: Recording | None, after: DiskImage | None, left_out: Sequence[str]) -> BundleState:
    def cannot(why: str) -> BundleState:
        return BundleState(BUNDLE_KIND, BUNDLE_SCHEMA, cannot=why, left_out=tuple(left_out))

    if life is None or after is None:
        what = "a random history" if replay.played.segments else "a case in which nobody died"
        return cannot(f"{what} is judged while it runs: use harness replay")
    if replay.file.case.recovery_plan is not None and len(replay.file.case.deaths) == 1:
        return cannot("calls failed while the subject recovered, which is judged while it runs: use harness replay")
    death = replay.file.case.deaths[-1]
    position = death.position
    try:
        world = stored(life.snapshot_at(position))
        image = encode_image(after)
    except (NotPlain, UnicodeEncodeError, msgspec.MsgspecError) as error:
        return cannot(f"the memory of the outside world, or the disk, is no plain data: {error}; use harness replay")
    if len(image) > LARGEST_STATE:
        return cannot(
            f"the disk takes {len(image):,} bytes, a bundle has room for {LARGEST_STATE:,}; use harness replay"
        )
    return BundleState(
        BUNDLE_KIND,
        BUNDLE_SCHEMA,
        at=life.time_at(position) + life.scenario.restart_after_s,
        fault_fired=life.met_faults,
        world=world,
        image=msgspec.Raw(image),
        lacks="what the subject showed before it was killed" if _was_looked_at(replay, life, death) else "",
        left_out=tuple(left_out),
    )


def _was_looked_at(replay: Replay, life: Recording, death: Death) -> bool:
    """Whether a guarantee compares with what the living subject showed: after a kill at its end that lost nothing."""
    whole = death.state.profile == "process" and death.position == life.end and death.state.cut is None
    return whole and life is replay.played.lives[0] and life.observed is not None


def _ledger_document(ledger: Ledger) -> dict[str, Any]:
    return {
        "marks": [{"kind": mark.kind, "event": mark.event, "detail": mark.detail} for mark in ledger.marks],
        "attempted": _counts(ledger.attempted),
        "acknowledged": _counts(ledger.acknowledged),
        "refused": _counts(ledger.refused),
        "effects": [mark.event for mark in ledger.effects],
    }


def _counts(seen: Mapping[str, Any]) -> dict[str, int]:
    return {event: one.count for event, one in seen.items()}


def _faults_document(replay: Replay) -> dict[str, Any]:
    case = replay.file.case
    return {
        "plan": msgspec.to_builtins(case.plan),
        "recovery_plan": msgspec.to_builtins(case.recovery_plan),
        "in_words": case.plan.describe() if case.plan is not None else "no fault",
        "fired": [msgspec.to_builtins(one) for life in replay.played.lives[-1:] for one in life.fired],
    }


def _bounded_diff(before: DiskImage, after: DiskImage) -> list[str]:
    text: list[str] = []
    for line in diff_lines(file_changes(before, after)):
        if len(text) == DIFF_LINES:
            text.append(f"… cut after {DIFF_LINES:,} lines")
            break
        text.append(line)
    return text or ["the disk that was found is the one that the subject believed in"]


def write_tree(image: DiskImage, folder: Path) -> list[str]:
    """The image as plain files below `folder`, which is made; sentences on what was left out."""
    folder.mkdir(parents=True)
    left_out: list[str] = []
    waiting: list[tuple[int, Path]] = [(ROOT, folder)]
    while waiting:
        ino, place = waiting.pop()
        inside = place.relative_to(folder)
        if len(str(inside)) > LONGEST_PATH:
            left_out.append(f"{folder.name}: {str(inside)[:200]}… has too long a path")
            continue
        match image.nodes[ino]:
            case Folder(entries=entries):
                place.mkdir(exist_ok=True)
                waiting += [(child, place / safe_name(name)) for name, child in entries.items()]
            case SymbolicLink(target=target):
                link = place.with_name(place.name + "%symlink")  # a plain file's name holds no bare percent sign
                link.write_bytes(target.encode("utf-8", "surrogateescape"))
            case File() as file if file.size <= LARGEST_FILE:
                place.write_bytes(file.data)
            case File() as file:
                left_out.append(f"{folder.name}: {inside} has {file.size:,} bytes")
    return left_out


def safe_name(name: str) -> str:
    """A name of the case's disk as one of this disk: itself where it is plain, percent-encoded where it is not."""
    if _PLAIN_NAME.fullmatch(name) and name not in (".", ".."):
        return name
    quoted = urllib.parse.quote(name.encode("utf-8", "surrogatepass"), safe="_.,=+@ -")
    if quoted in (".", ".."):
        return quoted.replace(".", "%2E")
    if len(quoted) <= 200:
        return quoted
    return f"{quoted[:120]}%{hashlib.sha256(quoted.encode()).hexdigest()[:16]}"


def _json(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"


def _write_text(path: Path, text: Sequence[str]) -> None:
    path.write_text("\n".join(visible(line) for line in text) + "\n", encoding="utf-8")
