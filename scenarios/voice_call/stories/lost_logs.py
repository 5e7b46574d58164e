"""Logs on which nobody can begin, and calls of which a damaged log tells little more than their names."""

import contextlib
import os
from collections.abc import Callable
from typing import Final

from scenarios.voice_call.log_lines import fields_of, log_of, put, read_lines, resealed, scratched, sealed
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.stories.odd_logs import LONG, Lines, handed_over, shown, without_last_end

CUT_SHORT_AT: Final = 399
"""Of a line of one byte more, everything is on the disk but its end."""


async def unusable_logs(stage: Stage) -> None:
    """What stands in the place of the log cannot be it: no manager begins on that, and nothing of it is changed."""
    call = await stage.picked_up(FRIEND, stays=True)
    stage.provider.say(call, "is this kept?")
    await stage.quiet()
    before = shown(stage)
    stage.provider.excuse()
    await stage.manager.stop()
    stage.provider.connect(None)
    path = log_of(stage.manager.config.store_dir)
    good = read_lines(path)
    for what in (b"two lines\nof something else\n", b"#" * 100 + b"\n" + b"".join(scratched(line) for line in good)):
        put(path, what)
        await _is_refused(stage, "not one line of it can be read")
        with open(path, "rb") as file:
            stage.expect(file.read() == what, "a log that nobody can read was changed")
    os.unlink(path)
    os.mkdir(path)
    await _is_refused(stage, "the log is a directory")
    os.rmdir(path)
    os.symlink(f"{path}.elsewhere", path)
    await _is_refused(stage, "the log is a link to nothing")
    stage.expect(not os.path.exists(f"{path}.elsewhere"), "a log was made where a link leads to nothing")
    os.unlink(path)
    put(path, b"".join(good))
    stage.manager = await stage.reboot()
    stage.expect(shown(stage) == before, "the right log was put back, and the calls are others")
    stage.provider.say(call, "and this?")
    await stage.quiet()


async def first_line_lost(stage: Stage) -> None:
    """Of the log there is one line, and it cannot be read: so a death may leave the first record. The manager begins."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.damaged(call)
    await handed_over(stage, lambda lines: scratched(lines[0]))
    stage.expect(not shown(stage), "a call is shown of which nothing can be read")
    doubted = stage.manager.view()["quarantined"]
    stage.expect(len(doubted) == 1, f"the only line is lost, and {', '.join(doubted) or 'nothing'} is doubted")
    provider.leave(call)
    other = await stage.picked_up(OTHER_FRIEND)
    provider.leave(other)
    await stage.quiet()


async def first_number_lost(stage: Stage) -> None:
    """Of the first record there is not even a line: the next one tells that it is missing."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.damaged(call)
    await handed_over(stage, lambda lines: b"".join(lines[1:]))
    doubted = sorted(stage.manager.view()["quarantined"])
    stage.expect(doubted == ["*"], f"the first line is missing, and {', '.join(doubted) or 'nothing'} is doubted")
    stage.expect(stage.live(call), "a call is gone of which one line is left")


async def only_newer(stage: Stage) -> None:
    """All that can be read in the log is a line of a newer version: that is not nothing, and is kept with the rest."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.damaged(call)
    good = read_lines(log_of(stage.manager.config.store_dir))
    name = fields_of(good[0])["call"]
    newer = sealed({"v": 2, "seq": 2, "gen": 1, "call": name, "kind": "other", "body": {}})
    oldest = b'{"callId":"long-ago","direction":"inbound","state":"completed"}\n'
    for others, doubted in (([b"##\n", b"##\n"], {"*", name}), ([oldest], {"*", name, "long-ago"})):
        await handed_over(stage, _instead([newer, *others]))
        found = set(stage.manager.view()["quarantined"])
        stage.expect(found == doubted, f"{sorted(found)} is doubted, and has to be {sorted(doubted)}")
        stage.expect(not shown(stage), "a call is shown of which nothing can be read")
        kept = set(read_lines(log_of(stage.manager.config.store_dir)))
        stage.expect({newer, *others} <= kept, "what could not be read was not kept")
    await handed_over(stage, _instead(good))
    provider.leave(call)
    await stage.quiet()


def _instead(others: Lines) -> Callable[[Lines], bytes]:
    return lambda lines: b"".join(others)


async def _is_refused(stage: Stage, why: str) -> None:
    try:
        manager = await stage.reboot()
    except StoreUnavailable:
        return
    stage.expect(False, f"the manager begins although {why}")
    with contextlib.suppress(Exception):
        await manager.stop()


async def known_by_name(stage: Stage) -> None:
    """Every line of a call of ours is lost but for its name, under which it was dialled: it is found, and hung up."""
    provider = stage.provider
    friend = await stage.picked_up(FRIEND, stays=True)
    name = await stage.client.initiate_without_key("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if name is None:
        return
    good = shown(stage).get(name)
    for call in (friend, "out-1"):
        provider.damaged(call)
    provider.fail("find_by_key", "unavailable")
    await handed_over(stage, lambda lines: b"".join(_only_names(lines, name)))
    stage.expect(name in stage.manager.view()["quarantined"], "a call of which every line is lost is not doubted")
    stage.expect(provider.remote("out-1").alive, "a call was hung up that nobody has found")
    before = len(read_lines(log_of(stage.manager.config.store_dir)))
    await handed_over(stage, b"".join)
    found = stage.manager.status(name) or {}
    stage.expect(before < len(read_lines(log_of(stage.manager.config.store_dir))), "what was found was not written")
    for field in ("providerCallId", "clientKey", "provider", "direction", "dial"):
        told, true = found.get(field), (good or {}).get(field)
        stage.expect(told == true, f"{field} of a call that was found by its name is {told!r}, and was {true!r}")
    stage.expect(found.get("endReason") == "failed", f"a call that was given up is shown as {found.get('endReason')}")
    began, now = found.get("startedAt"), stage.run.now() * 1000
    stage.expect(began == found.get("endedAt") and now - 10 < (began or 0) <= now, f"it was found at {began}")
    await stage.later(3.0)
    stage.expect(not provider.remote("out-1").alive, "a call that was found by its name is still on the line")
    stage.expect(stage.live(friend), "a call that was doubted with another is over")


async def beginning_lost(stage: Stage) -> None:
    """The first lines of three calls are lost; the others tell enough to keep them, and to hang up in time."""
    provider = stage.provider
    friend = await stage.picked_up(FRIEND, stays=True)
    name = await stage.client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    ringing = provider.ring(OTHER_FRIEND, stays=True)
    await stage.quiet()
    provider.tell(ringing, "call.ringing")
    await stage.quiet()
    for call in (friend, "out-1", ringing):
        provider.damaged(call)
    before = shown(stage)
    await handed_over(stage, lambda lines: b"".join(_without_beginnings(lines)))
    stage.expect(set(stage.manager.view()["quarantined"]) == set(before), "calls that lack something are not doubted")
    for call, one in before.items():
        found = shown(stage).get(call, {})
        for field in ("providerCallId", "clientKey", "provider", "direction"):
            told = found.get(field)
            stage.expect(told == one[field], f"{field} of a call without beginning is {told!r}, and was {one[field]!r}")
        stage.expect(bool(found.get("deadlines")), f"call {call} has lost its beginning, and has no end any more")
    if name is not None:
        await stage.client.end("end-1", name)
    await stage.later(3.0)
    stage.expect(not provider.remote("out-1").alive, "a call without beginning cannot be hung up")


async def answer_lost(stage: Stage) -> None:
    """The answers of three calls are lost with their lines: what is left proves that somebody talks, and since when."""
    provider = stage.provider
    calls = [await stage.picked_up(caller, stays=True) for caller in (FRIEND, OTHER_FRIEND, FRIEND)]
    await stage.later(3.0)
    said = provider.say(calls[0], "I am here")
    provider.tell(calls[1], "call.active")
    await stage.quiet()
    for call in calls:
        provider.damaged(call)
    before = shown(stage)
    await handed_over(stage, lambda lines: b"".join(_without_answers(lines)))
    since = {calls[0]: 0 if said is None else int(said.body["timestamp"])}
    for one in before.values():
        call = one["providerCallId"]
        deadlines = (stage.shown(call) or {}).get("deadlines")
        cap = stage.manager.config.max_duration_ms + since.get(call, one["startedAt"])
        stage.expect(deadlines == {"max-duration": cap}, f"the deadlines of {call} are {deadlines}, its cap is {cap}")


def _without_answers(lines: Lines) -> Lines:
    """Two of them cannot be read; of the third the time is not there."""
    changed: Lines = []
    answers, newer = 0, b""
    for line in lines:
        answers += (answered := fields_of(line)["kind"] == "call.answered")
        if answered and answers == 3:
            body = fields_of(line)["body"]
            for field in ("answeredAt", "deadlines"):
                del body["set"][field]
            changed.append(resealed(line, body=body))
            last = fields_of(lines[-1])["seq"]
            newer = sealed(
                {"v": 2, "seq": last + 1, "gen": 1, "call": fields_of(line)["call"], "kind": "other", "body": {}}
            )
        else:
            changed.append(scratched(line) if answered else line)
    return [*changed, newer]


def _only_names(lines: Lines, call: str) -> Lines:
    return [scratched(line) if fields_of(line)["call"] == call else line for line in lines]


def _without_beginnings(lines: Lines) -> Lines:
    known: dict[str, None] = {}
    changed: Lines = []
    for line in lines:
        call = fields_of(line)["call"]
        changed.append(line if call in known else scratched(line))
        known[call] = None
    return changed


async def restored_on_a_bad_disk(stage: Stage) -> None:
    """Somebody hangs up while the manager is away; its next start cannot write that down, and takes it up again."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    provider.leave(call)
    provider.lose()
    await stage.restart()
    await stage.later(40.0)
    stage.expect(not stage.live(call), "an end that could not be written at the start is not written later")


async def end_of_line_lost(stage: Stage) -> None:
    """The last line lacks its end, and is finished by the start; the next one is cut off by the disk, and taken back."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.say(call, "before")
    await stage.quiet()
    before = shown(stage)
    await handed_over(stage, without_last_end)
    stage.expect(shown(stage) == before, "a line without its end counts for less")
    told = [provider.say(call, "this has to be said twice")]
    await stage.later(4.0)
    stage.expect(all(one.acknowledged for one in told if one), "the disk works again, and what it refused is not taken")
    provider.say(call, "after")
    await stage.quiet()
    before = shown(stage)
    await handed_over(stage, b"".join)
    stage.expect(shown(stage) == before, "what was said after a line without its end is gone")


async def end_of_line_in_flight(stage: Stage) -> None:
    """All of a record is on the disk but its last byte, and it cannot be taken back: it is there, and the next ones too."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    for _ in range(2):
        provider.say(call, "a")
        await stage.quiet()
    shorter = len(read_lines(log_of(stage.manager.config.store_dir))[-1])
    told = [provider.say(call, "a" * (1 + CUT_SHORT_AT + 1 - shorter))]
    await stage.later(4.0)
    stage.expect(all(one.acknowledged for one in told if one), "the disk works again, and what it refused is not taken")
    provider.say(call, "after")
    await stage.quiet()
    before = shown(stage)
    await handed_over(stage, b"".join)
    stage.expect(shown(stage) == before, "what was said after a line without its end is gone")


async def long_log_on_a_bad_disk(stage: Stage) -> None:
    """A log that is read in pieces; a sync fails, and what stands in it is written anew."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    told = []
    for number in range(12):
        told.append(provider.say(call, f"sentence {number} " + "and so on " * (LONG // 10)))
        await stage.quiet(0.01)
    await stage.later(4.0)
    stage.expect(all(one.acknowledged for one in told if one), "the disk works again, and what it refused is not taken")
    provider.say(call, "after")
    await stage.quiet()
    before = shown(stage)
    await handed_over(stage, b"".join)
    stage.expect(shown(stage) == before, "after a failed sync and one more start the calls are others")
