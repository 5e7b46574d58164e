"""Logs that lack something, or hold what this version cannot read, when the manager starts: what it must doubt, and what not.

Each change is made to the same log, of two calls. The judge of the other stories knows that a medium was at work and
asks little about these calls; here everything is compared: what is shown, whom the manager doubts, and what it keeps.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from scenarios.voice_call.log_lines import (
    beheaded,
    fields_of,
    log_of,
    read_lines,
    resealed,
    scratched,
    sealed,
    sealed_text,
)
from scenarios.voice_call.stage import FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.stories.odd_logs import LONG, Lines, handed_over, shown

ANY: Final = "*"
"""Every call is doubted: nobody knows whose line it was."""

MINE: Final = "the first call"
SENTENCES: Final = 5
COMPACT_AFTER: Final = 2 * SENTENCES + 6
"""So that the log is rewritten soon after the damage, and not before."""

_MORE: Final = b"something newer"
_HEAD: Final = '{"v":1,"seq":1,"gen":1,"call":"%s","kind":'


@dataclass(frozen=True)
class Damage:
    """A change to the log.

    `change`: of its lines, the number of the line with the second sentence of the first call, and that call's internal
    id. `doubted`: whom the manager has to doubt then; `forever`: also when the log was rewritten (None: the same).
    `lost`: sentences of the first call that are gone. `kept`: what has to be in the log as it was, also when that is
    rewritten. `shown`: what of the first call cannot be read, as it is shown then.
    """

    what: str
    change: Callable[[Lines, int, str], Lines]
    doubted: tuple[str, ...]
    forever: tuple[str, ...] | None = None
    lost: tuple[int, ...] = ()
    kept: bytes = b""
    shown: dict[str, Any] = field(default_factory=dict)


def _in_place(change: Callable[[bytes], bytes]) -> Callable[[Lines, int, str], Lines]:
    return lambda lines, at, call: [*lines[:at], change(lines[at]), *lines[at + 1 :]]


def _before(what: bytes) -> Callable[[Lines, int, str], Lines]:
    return lambda lines, at, call: [*lines[:at], what, *lines[at:]]


def _behind(line: Callable[[int, str], bytes]) -> Callable[[Lines, int, str], Lines]:
    return lambda lines, at, call: [*lines, line(_number(lines), call)]


def _number(lines: Lines) -> int:
    last: int = fields_of(lines[-1])["seq"]
    return last


def _newer(number: int, call: object, length: int = 0) -> bytes:
    """A line of a version that is not known, with a generation that no writer here has come to."""
    body = {"call": call, "says": _MORE.decode(), "more": "+" * length}
    return sealed({"v": 2, "seq": number, "gen": 41, "call": call, "kind": "other", "body": body})


_ENDED: Final = {"state": "completed", "endReason": "completed", "endedAt": 1_800_000_000_000, "deadlines": {}}


def _changed_by(version: int, number: int, call: str, body: dict[str, Any]) -> bytes:
    """A change by a writer with a high generation."""
    return sealed({"v": version, "seq": number, "gen": 41, "call": call, "kind": "other", "body": body})


def _of_another_shape(number: int, call: str) -> bytes:
    body = {"set": {}, "more": _MORE.decode()}
    return sealed({"v": 1, "seq": number, "gen": 41, "call": call, "kind": "other", "body": body})


def _not_json(head: str) -> bytes:
    return sealed_text(head.encode("ascii") + _MORE)


def _oldest(call: str) -> bytes:
    return (json.dumps({"callId": call, "state": "active", "direction": "inbound"}) + "\n").encode("ascii")


def _again(**others: object) -> Callable[[Lines, int, str], Lines]:
    return lambda lines, at, call: [*lines[:at], resealed(lines[at], **others), *lines[at:]]


def _forgetting(line: bytes) -> bytes:
    return resealed(line, body=fields_of(line)["body"] | {"drop": {"moods": 1}})


DAMAGES: Final = (
    Damage("a line cannot be read, and its head can", _in_place(scratched), (MINE,), lost=(2,), kept=b"####"),
    Damage("a line cannot be read, nor its head", _in_place(beheaded), (ANY,), lost=(2,), kept=b"#" * 40),
    Damage("a line is missing", lambda lines, at, call: lines[:at] + lines[at + 1 :], (ANY,), (), lost=(2,)),
    Damage(
        "a line cannot be read, and one is missing",
        lambda lines, at, call: [*lines[:at], scratched(lines[at]), lines[at + 1], *lines[at + 3 :]],
        (MINE, ANY),
        (MINE,),
        lost=(2, 3),
        kept=b"####",
    ),
    Damage("zeros stand before a line", _before(bytes(512)), (ANY,), kept=bytes(512) + b"\n"),
    Damage("zeros stand on a line of their own", _before(bytes(600) + b"\n"), (ANY,), kept=bytes(600) + b"\n"),
    Damage("a newer version has added a line", _behind(lambda last, call: _newer(last + 1, call)), (MINE,), kept=_MORE),
    Damage(
        "a newer version has added a line about nobody",
        _behind(lambda last, call: _newer(last + 1, 7)),
        (ANY,),
        kept=_MORE,
    ),
    Damage(
        "lines before that of a newer version are missing",
        _behind(lambda last, call: _newer(last + 4, call)),
        (MINE, ANY),
        (MINE,),
        kept=_MORE,
    ),
    Damage(
        "a line has a shape of its own",
        _behind(lambda last, call: _of_another_shape(last + 1, call)),
        (MINE,),
        kept=_MORE,
    ),
    Damage(
        "a line of the oldest version stands among the others",
        lambda lines, at, call: [*lines[:at], _oldest(call), *lines[at:]],
        (MINE,),
        kept=b'"callId"',
    ),
    Damage(
        "a line is no JSON, and its head says whose it is",
        lambda lines, at, call: [*lines[:at], _not_json(_HEAD % call), *lines[at:]],
        (MINE,),
        kept=_MORE,
    ),
    Damage("a line is no JSON, nor what its head says", _before(_not_json(_HEAD % "\\q")), (ANY,), kept=_MORE),
    Damage(
        "a line is missing, and the others stand there twice",
        lambda lines, at, call: [line for line in lines[:at] + lines[at + 1 :] for _ in range(2)],
        (ANY,),
        (),
        lost=(2,),
    ),
    Damage(
        "a newer version has added many long lines",
        lambda lines, at, call: [*lines, *(_newer(_number(lines) + 1 + more, call, 9_000) for more in range(12))],
        (MINE,),
        kept=_MORE,
    ),
    Damage(
        "a newer version has added a change as this one would write it",
        _behind(lambda last, call: _changed_by(2, last + 1, call, {"set": _ENDED})),
        (MINE,),
        kept=b'"v":2',
    ),
    Damage(
        "a line breaks off",
        lambda lines, at, call: [*lines[:at], lines[at][:150] + b"\n", *lines[at + 1 :]],
        (MINE,),
        lost=(2,),
    ),
    Damage(
        "a field cannot be read",
        _behind(lambda last, call: _changed_by(1, last + 1, call, {"set": {"metadata": 7}})),
        (MINE,),
        kept=b'"metadata":7',
        shown={"metadata": {}},
    ),
    Damage(
        "something is added to what is no list",
        lambda lines, at, call: [
            *lines,
            _changed_by(1, _number(lines) + 1, call, {"set": {"mood": "good"}}),
            _changed_by(1, _number(lines) + 2, call, {"set": {}, "add": {"mood": ["bad"]}}),
        ],
        (MINE,),
        (),
        kept=b'"mood":"good"',
    ),
    Damage("a line has no number", _again(seq=None), (ANY,), kept=b'"seq":null'),
    Damage("a line has no generation", _again(gen="one"), (ANY,), kept=b'"gen":"one"'),
    Damage("of a list something is forgotten that was never there", _in_place(_forgetting), (MINE,), ()),
)
"""What may happen to a log, and who is doubted then."""


async def damaged_logs(stage: Stage) -> None:
    """Two people talk; the log is damaged, one way after the other, and put back."""
    await _damaged(stage, 20)


async def damaged_long_logs(stage: Stage) -> None:
    """The same with sentences so long that the log is read in pieces."""
    await _damaged(stage, LONG)


async def _damaged(stage: Stage, length: int) -> None:
    provider = stage.provider
    calls = [await stage.picked_up(caller, stays=True) for caller in (FRIEND, OTHER_FRIEND)]
    for number in range(SENTENCES):
        await _said(stage, calls, number, length)
    before, log = shown(stage), log_of(stage.manager.config.store_dir)
    mine = next((name for name, one in before.items() if one["providerCallId"] == calls[0]), "")
    for call in calls:
        provider.damaged(call)
    good = read_lines(log)
    place = next((number for number, line in enumerate(good) if _is_lost(line, mine)), 0)
    for damage in DAMAGES:
        await handed_over(stage, _instead(damage.change(good, place, mine)))
        expected = before | {mine: _without(before[mine], damage.lost) | damage.shown}
        _compare(stage, f"{damage.what}:", expected, _named(damage.doubted, mine))
        for number in range(SENTENCES, SENTENCES + 4):
            await _said(stage, calls, number, 20)
        grown = shown(stage)
        stage.expect(_lines(grown) == _lines(expected) + 8, f"{damage.what}: what was said then is not shown")
        await handed_over(stage, b"".join)
        forever = damage.doubted if damage.forever is None else damage.forever
        _compare(stage, f"{damage.what}, and the log was rewritten:", grown, _named(forever, mine))
        with open(log, "rb") as file:
            stage.expect(damage.kept in file.read(), f"{damage.what}: what could not be read is not kept")
    await handed_over(stage, _instead(good))
    for call in calls:
        provider.leave(call)
    await stage.quiet()


def _instead(others: Lines) -> Callable[[Lines], bytes]:
    return lambda lines: b"".join(others)


async def _said(stage: Stage, calls: list[str], number: int, length: int) -> None:
    for call in calls:
        stage.provider.say(call, f"sentence {number} " + "and so on " * (length // 10))
        await stage.quiet(0.01)


def _is_lost(line: bytes, call: str) -> bool:
    return fields_of(line)["call"] == call and b"sentence 2 " in line


def _named(doubted: tuple[str, ...], mine: str) -> set[str]:
    return {mine if one == MINE else one for one in doubted}


def _without(one: dict[str, Any], lost: tuple[int, ...]) -> dict[str, Any]:
    """The call without these sentences: neither their lines nor their events are there."""
    gone = tuple(f"sentence {number} " for number in lost)
    spoken = one["transcript"]
    places = [place for place, line in enumerate(spoken) if not (gone and line["text"].startswith(gone))]
    first = len(one["processedEventIds"]) - len(spoken)
    events = one["processedEventIds"][:first] + [one["processedEventIds"][first + place] for place in places]
    return one | {"transcript": [spoken[place] for place in places], "processedEventIds": events}


def _lines(calls: dict[str, Any]) -> int:
    return sum(len(one["transcript"]) for one in calls.values())


def _compare(stage: Stage, when: str, expected: dict[str, Any], doubted: set[str]) -> None:
    found = shown(stage)
    stage.expect(found.keys() == expected.keys(), f"{when} the calls are {', '.join(found)}")
    for name, one in expected.items():
        for key, value in one.items():
            told = found.get(name, {}).get(key)
            stage.expect(told == value, f"{when} {key} of call {name} is {told!r:.200}, and was {value!r:.200}")
    doubts = set(stage.manager.view()["quarantined"])
    stage.expect(
        doubts == doubted, f"{when} the manager doubts {sorted(doubts)}, and has reason to doubt {sorted(doubted)}"
    )
