"""Logs that were changed while the manager was away, in ways that take nothing: it knows what it knew before.

An editor ends lines in its own way, a writer died in the middle of a line, a line stands twice or in another place, a
writer whose time was over has gone on. Sentences may be so long that the log is read in many pieces.
"""

import os
import stat
from collections.abc import Callable
from typing import Any, Final

from scenarios.voice_call.log_lines import fields_of, is_intact, log_of, put, read_lines, resealed
from scenarios.voice_call.stage import FRIEND, OTHER_FRIEND, Stage

Lines = list[bytes]

LONG: Final = 9_000
"""Bytes of a long sentence: a few of them are more than a manager reads at once, and some pieces end in their middle."""

_SECTOR: Final = 512


def as_edited(lines: Lines) -> bytes:
    """An editor has saved it with line ends of another system."""
    return b"".join(lines).replace(b"\n", b"\r\n")


def without_last_end(lines: Lines) -> bytes:
    """Whoever wrote the last line died before its end, which is one byte."""
    return b"".join(lines)[:-1]


def torn(lines: Lines) -> bytes:
    """A writer died in the middle of a line; nobody was told that it is safe."""
    return b"".join(lines) + _next(lines)[:-30]


def torn_early(lines: Lines) -> bytes:
    """A writer died when three bytes of a line were on the disk."""
    return b"".join(lines) + _next(lines)[:3]


def with_zeros_behind(lines: Lines) -> bytes:
    """The file has become longer, and nothing was written there."""
    return b"".join(lines) + bytes(2 * _SECTOR)


def with_a_hole_in_flight(lines: Lines) -> bytes:
    """Of the line that was being written one sector never reached the disk, and its end did."""
    line = _next(lines)
    return b"".join(lines) + line[:60] + bytes(40) + line[100:]


def twice(lines: Lines) -> bytes:
    """Every line stands there twice."""
    return b"".join(line + line for line in lines)


def swapped(lines: Lines) -> bytes:
    """Neighbours have changed places."""
    return b"".join(line for pair in zip(lines[1::2], lines[::2], strict=False) for line in pair) + (
        lines[-1] if len(lines) % 2 else b""
    )


def backwards(lines: Lines) -> bytes:
    """The last line stands first."""
    return b"".join(reversed(lines))


def with_a_stale_writer(lines: Lines) -> bytes:
    """A writer whose time was over has written two more lines, with numbers that its successor gave as well."""
    first = _first_of_the_last_writer(lines)
    return b"".join(lines[:first] + _overtaken(lines, first, fields_of(lines[first])["seq"]) + lines[first:])


def with_a_late_stale_writer(lines: Lines) -> bytes:
    """Its lines stand behind those of its successor."""
    first = _first_of_the_last_writer(lines)
    return b"".join(lines + _overtaken(lines, first, fields_of(lines[first])["seq"]))


def with_an_outlasting_stale_writer(lines: Lines) -> bytes:
    """A writer whose time was over has gone on behind its successor, with numbers that nobody else gave."""
    first = _first_of_the_last_writer(lines)
    return b"".join(lines + _overtaken(lines, first, fields_of(lines[-1])["seq"] + 1))


def with_two_stale_writers(lines: Lines) -> bytes:
    """Two have gone on behind their successor, the younger of them from a later number on than the older."""
    first = _first_of_the_last_writer(lines)
    number, generation = fields_of(lines[first])["seq"], fields_of(lines[first])["gen"]
    newest = [resealed(line, gen=generation + 1) for line in lines[first:]]
    ending = fields_of(_next(lines))["body"]
    stale = [
        resealed(lines[first - 1], seq=number + behind, gen=gen, kind="call.ended", body=ending)
        for behind, gen in ((0, fields_of(lines[first - 1])["gen"]), (1, generation))
    ]
    return b"".join(lines[:first] + newest + stale)


def _next(lines: Lines) -> bytes:
    """A line that would follow: a call ends."""
    last = fields_of(lines[-1])
    ended = {"state": "hangup-user", "endReason": "hangup-user", "endedAt": 1_800_000_000_000, "deadlines": {}}
    return resealed(lines[-1], seq=last["seq"] + 1, kind="call.ended", body={"set": ended})


def _first_of_the_last_writer(lines: Lines) -> int:
    generations = [fields_of(line)["gen"] for line in lines]
    return generations.index(max(generations))


def _overtaken(lines: Lines, first: int, number: int) -> Lines:
    """Two lines of the last writer but one, with these numbers, which end the calls that it knew."""
    generation = fields_of(lines[first - 1])["gen"]
    ending = fields_of(_next(lines))["body"]
    return [
        resealed(line, seq=number + behind, gen=generation, kind="call.ended", body=ending)
        for behind, line in enumerate(reversed(lines[first - 2 : first]))
    ]


HARMLESS: Final[tuple[Callable[[Lines], bytes], ...]] = (
    as_edited,
    without_last_end,
    torn,
    torn_early,
    with_zeros_behind,
    with_a_hole_in_flight,
    twice,
    swapped,
    backwards,
    with_a_stale_writer,
    with_a_late_stale_writer,
    with_two_stale_writers,
    with_an_outlasting_stale_writer,  # the last one: others go on from its numbers
)


async def changed_logs(stage: Stage) -> None:
    """Two people talk; again and again somebody changes the log, and takes nothing away."""
    await _changed(stage, 20)


async def changed_long_logs(stage: Stage) -> None:
    """The same with sentences so long that the log is read in pieces."""
    await _changed(stage, LONG)


GIANT: Final = 50_000
"""Bytes of a sentence that is longer by itself than what a manager reads at once."""


def ensure_private(stage: Stage) -> None:
    """Nobody but the owner of the process may read what people have said, or what they are called."""
    store = stage.manager.config.store_dir
    for name in os.listdir(store):
        mode = stat.S_IMODE(os.stat(os.path.join(store, name)).st_mode)
        stage.expect(mode == 0o600, f"the mode of {name} is {mode:o}")


async def _changed(stage: Stage, length: int) -> None:
    calls = [await stage.picked_up(caller, stays=True) for caller in (FRIEND, OTHER_FRIEND)]
    for number in range(4):
        await _said(stage, calls, number, length)
    await stage.restart()
    for number, change in enumerate(HARMLESS, 4):
        giant = change is without_last_end and length >= LONG
        await _said(stage, calls, number, GIANT if giant else length)
        before = shown(stage)
        await handed_over(stage, _of_plain_lines(stage, change))
        stage.expect(shown(stage) == before, f"{change.__doc__} The calls are others now")
        doubted = stage.manager.view()["quarantined"]
        stage.expect(not doubted, f"{change.__doc__} Now {', '.join(doubted)} is doubted")
        stage.watch()
    await _said(stage, calls, 99, length)
    before = shown(stage)
    await stage.restart()
    stage.expect(shown(stage) == before, "after one more start the calls are others")
    for call in calls:
        stage.provider.leave(call)
    await stage.quiet()


async def _said(stage: Stage, calls: list[str], number: int, length: int) -> None:
    for call in calls:
        stage.provider.say(call, f"sentence {number} " + "and so on " * (length // 10))
        await stage.quiet(0.01)


def _of_plain_lines(stage: Stage, change: Callable[[Lines], bytes]) -> Callable[[Lines], bytes]:
    def changed(lines: Lines) -> bytes:
        intact = [line for line in lines if is_intact(line)]
        stage.expect(len(intact) == len(lines), "what others have left in the log is neither cut off nor finished")
        return change(_plain(intact))

    return changed


def _plain(lines: Lines) -> Lines:
    """The lines as one writer after the other has left them, without what was done to the log before."""
    plain: dict[int, bytes] = {}
    last = -1
    known = {line.rstrip(b"\r\n") + b"\n" for line in lines}
    for line in sorted(known, key=lambda line: (-fields_of(line)["gen"], fields_of(line)["seq"])):
        said = fields_of(line)
        if plain and last != said["gen"]:
            limit = min(plain)
        elif not plain:
            limit = said["seq"] + len(lines) * len(lines)
        last = said["gen"]
        if said["seq"] < limit:
            plain[said["seq"]] = line
    return [plain[number] for number in sorted(plain)]


def shown(stage: Stage) -> dict[str, Any]:
    """The calls as they are shown, by their internal ids."""
    return {one["callId"]: one for one in stage.manager.view()["calls"]}


async def handed_over(stage: Stage, change: Callable[[Lines], bytes]) -> None:
    """The manager is stopped, somebody changes its log, and it is started again."""
    stage.provider.excuse()
    await stage.manager.stop()
    stage.provider.connect(None)
    path = log_of(stage.manager.config.store_dir)
    put(path, change(read_lines(path)))
    await stage.started_again()
