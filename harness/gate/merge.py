"""`harness merge`: the shards of one run, joined into the result that the run in one go would have had.

Nothing is added up that was added up before: each shard's JSON holds the tallies of its chunks, and all of them are
joined in the order of the run. Shards of different code, seeds or options do not fit together; a shard that is missing,
or that did not finish, makes the whole inconclusive.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.gate.assembly import Unfinished, assemble
from harness.gate.outcome import Report
from harness.gate.part import Opening, Part
from harness.gate.run_key import difference
from harness.gate.shard import Shard

LARGEST: Final = 512 * 2**20
"""Bytes; a shard of tens of thousands of chunks has some megabytes."""


class MergeError(ValueError):
    """These files cannot be joined; the message names the file and says why."""


class ShardResult(msgspec.Struct, frozen=True):
    """What is read of the JSON of `harness run --shard`."""

    seed: int
    profiles: tuple[str, ...]
    outcome: str
    wall_s: float
    shard: Shard | None
    parts: list[Part]


def load_shard(path: Path) -> ShardResult:
    """Raises MergeError for anything but the JSON of a shard."""
    try:
        if path.stat().st_size > LARGEST:
            raise MergeError(f"{path} has {path.stat().st_size} bytes; the result of a shard has at most {LARGEST}")
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise MergeError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise MergeError(f"{path} is not the JSON of a run: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != 1 or "scenarios" not in document:
        raise MergeError(f"{path} is not the JSON of `harness run`")
    if not document.get("shard"):
        raise MergeError(f"{path} is the result of a whole run: there is nothing to join (see --shard)")
    try:
        result = msgspec.convert(document, ShardResult)
    except msgspec.ValidationError as error:
        raise MergeError(f"{path} is not the JSON of a shard of this version: {error}") from None
    if result.shard is None or not 1 <= result.shard.index <= result.shard.of:
        raise MergeError(f"{path} calls itself shard {result.shard}, which there is not")
    return result


def merge(files: Sequence[Path]) -> Report:
    """The joined report; the same shard given twice counts once. Raises MergeError."""
    shards = [(path, load_shard(path)) for path in files]
    first_path, first = shards[0]
    assert first.shard is not None
    of = first.shard.of
    for path, other in shards[1:]:
        _demand_same_run(first_path, first, path, other)
    present = {result.shard.index for _, result in shards if result.shard is not None}
    missing = [str(Shard(index, of)) for index in range(1, of + 1) if index not in present]
    report = Report(first.seed, first.profiles, wall_s=max(result.wall_s for _, result in shards))
    names = list(dict.fromkeys(part.key.scenario for _, result in shards for part in result.parts))
    for name in names:
        parts = [part for _, result in shards for part in result.parts if part.key.scenario == name]
        whole = _joined(parts)
        left_out = len(present) - len({part.key.shard for part in parts})
        remarks = tuple(f"shard {one} is missing: run it, and join all {of}" for one in missing)
        if left_out:
            remarks += (f"{left_out} of the shards ended before they came to {name}: run them again",)
        interrupted = any(part.interrupted for part in parts)
        ended = "a shard was interrupted" if interrupted else "a shard ended"
        reason = f"shard {', '.join(missing)} is missing" if missing else f"{ended} before the floor"
        results = assemble(whole, whole.opening.floor, Unfinished(reason, remarks))
        report.results += results
        report.interrupted |= interrupted and any(result.reasons for result in results) and not missing
    return report


def _joined(parts: Sequence[Part]) -> Part:
    """All chunks under the fullest opening: a shard that was interrupted early did not get to list the chunks."""
    opening = max((part.opening for part in parts), key=lambda opening: (len(opening.floor), len(opening.operations)))
    return Part(
        parts[0].key.whole,
        msgspec.structs.replace(
            opening,
            errors=_union(parts, "errors", opening),
            differing=_union(parts, "differing", opening),
        ),
        [piece for part in parts for piece in part.pieces],
        max(part.wall_s for part in parts),
    )


def _union(parts: Sequence[Part], name: str, first: Opening) -> list[str]:
    """Sentences of all shards, each once: a failure on one machine is a failure of the run."""
    told = [sentence for opening in (first, *(part.opening for part in parts)) for sentence in getattr(opening, name)]
    return list(dict.fromkeys(told))


def _demand_same_run(first_path: Path, first: ShardResult, path: Path, other: ShardResult) -> None:
    assert first.shard is not None and other.shard is not None
    if first.shard.of != other.shard.of:
        raise MergeError(f"{path} is shard {other.shard}, {first_path} is shard {first.shard}: not of one run")
    keys = {part.key.scenario: part.key.whole for part in first.parts}
    for part in other.parts:
        mine = keys.get(part.key.scenario)
        if mine is not None and (what := difference(part.key.whole, mine)):
            raise MergeError(f"{path} is not of the run of {first_path}: {what}")
