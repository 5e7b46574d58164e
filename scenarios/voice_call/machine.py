"""What a random history may do to the world around the manager: people, networks, provider faults, the client.

Drawn values are numbers and short words, so that a saved history stays readable; which call they mean is decided by
counting modulo what there is. Texts are numbered, so that each line tells who said it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from harness.scenario import Action, Run
from scenarios.voice_call.client import Client
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.provider import COMMANDS, FAULT_MODES, Provider
from scenarios.voice_call.remote import RemoteCall
from scenarios.voice_call.remote_media import Mood
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, STRANGER

_CALLERS: Final = (FRIEND, OTHER_FRIEND, STRANGER)
STREAM_STEPS: Final = ("talk", "drop", "silence", "reconnect", "use-again", "guess")
MOODS: Final = ("slow", "fails", "says-nothing")
_MOST_CALLS: Final = 6
"""Calls of one history: more make it slower, not richer."""


def _chosen(calls: Sequence[RemoteCall], number: int) -> RemoteCall | None:
    return calls[number % len(calls)] if calls else None


def _next_name(provider: Provider, kind: str) -> str:
    return f"{kind}-{len(provider.outer.requests) + 1}"


async def deliver(run: Run, provider: Provider, manager: CallManager) -> None:
    await provider.deliver_due()
    await asyncio.sleep(0.001)


def duplicate(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    events = list(provider.outer.happenings)
    if events:
        provider.duplicate(events[number % len(events)])


def reorder(run: Run, provider: Provider, manager: CallManager) -> None:
    provider.reorder()


def delay(run: Run, provider: Provider, manager: CallManager, seconds: int) -> None:
    provider.delay(float(seconds))


def batch(run: Run, provider: Provider, manager: CallManager, count: int) -> None:
    provider.batch(count)


def lose_answers(run: Run, provider: Provider, manager: CallManager, count: int) -> None:
    provider.lose_answers(count)


def ring(run: Run, provider: Provider, manager: CallManager, caller: int, stays: bool) -> None:
    if len(provider.outer.calls) < _MOST_CALLS:
        provider.ring(_CALLERS[caller], stays=stays)


def pick_up(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    remote = _chosen([one for one in provider.live_calls() if one.direction == "inbound"], number)
    if remote is not None:
        provider.pick_up(remote.id)


async def connect(run: Run, provider: Provider, manager: CallManager, caller: int) -> None:
    """Somebody whom the policy lets in calls, is answered, and all that is delivered."""
    if len(provider.outer.calls) < _MOST_CALLS:
        provider.pick_up(provider.ring(_CALLERS[caller], stays=True))
        await deliver(run, provider, manager)


def say(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    remote = _chosen(provider.live_calls(), number)
    if remote is not None:
        provider.say(remote.id, f"{remote.id} says thing {remote.events + 1}")


def press(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    remote = _chosen(provider.live_calls(), number)
    if remote is not None:
        provider.press(remote.id, str(number))


def leave(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    remote = _chosen(provider.live_calls(), number)
    if remote is not None:
        provider.leave(remote.id)


async def initiate(run: Run, provider: Provider, manager: CallManager, mode: str) -> None:
    if len(provider.outer.calls) >= _MOST_CALLS:
        return
    name = _next_name(provider, "dial")
    message = f"message of {name}" if mode == "notify" else None
    await Client(provider, manager).initiate(name, FAR_AWAY, message=message, mode=mode)


def _own(manager: CallManager, number: int) -> str | None:
    calls = [call["callId"] for call in manager.history() if call["live"]]
    return calls[number % len(calls)] if calls else None


async def speak(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    call = _own(manager, number)
    if call is not None:
        name = _next_name(provider, "speak")
        await Client(provider, manager).speak(name, call, f"text of {name}")


async def ask(run: Run, provider: Provider, manager: CallManager, number: int, answered: bool) -> None:
    """A question, and (perhaps) its answer while the client waits."""
    call = _own(manager, number)
    if call is None:
        return
    name = _next_name(provider, "ask")
    asking = asyncio.create_task(Client(provider, manager).continue_call(name, call, f"question of {name}"))
    await asyncio.sleep(0.001)
    listening = [one for one in provider.live_calls() if one.turn_token is not None]
    if answered and listening:
        provider.say(listening[0].id, f"answer to {name}")
        await provider.deliver_due()
    await asking


async def end(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    call = _own(manager, number)
    if call is not None:
        await Client(provider, manager).end(_next_name(provider, "end"), call)


def fail(run: Run, provider: Provider, manager: CallManager, command: str, mode: str, times: int) -> None:
    provider.fail(command, mode, times, 1.0 if mode == "slow" else 0.0)


def rename(run: Run, provider: Provider, manager: CallManager, number: int) -> None:
    remote = _chosen(provider.live_calls(), number)
    if remote is not None:
        provider.rename(remote.id)


async def stream(run: Run, provider: Provider, manager: CallManager, number: int, what: str) -> None:
    """Something happens to the stream of a call, or a stranger wants to have one."""
    remote = _chosen([one for one in provider.live_calls() if one.answered_at is not None], number)
    if remote is None or provider.outer.media is None:
        return
    if what == "talk":
        provider.say(remote.id, f"{remote.id} says thing {remote.events + 1}")
        await deliver(run, provider, manager)
    elif what == "drop":
        provider.drop_stream(remote.id)
    elif what == "silence":
        provider.silence_stream(remote.id)
    elif what == "reconnect":
        provider.reconnect(remote.id)
    elif what == "use-again":
        used = [one.token for one in provider.media.of(remote.id) if one.opened_at is not None]
        if used:
            await provider.knock_stream("stream-used", remote.id, used[number % len(used)])
    else:
        await provider.knock_stream("stream-guess", remote.id, "guess")


def assistant(run: Run, provider: Provider, manager: CallManager, mood: str, times: int) -> None:
    if provider.outer.media is not None:
        provider.media.moods.append(Mood(mood, times, 3.0 if mood == "slow" else 0.0))
        provider.changed()


async def reset_session(run: Run, provider: Provider, manager: CallManager, caller: int) -> None:
    if provider.outer.bridged:
        await Client(provider, manager).reset_session(_next_name(provider, "reset"), f"voice:{_CALLERS[caller][1:]}")


def actions() -> tuple[Action, ...]:
    """All of them. Hypothesis is imported here, because only random histories need it."""
    from hypothesis import strategies as st

    number = st.integers(0, 3)
    few = st.integers(1, 3)
    return (
        Action("deliver", deliver),
        Action("duplicate", duplicate, {"number": st.integers(0, 20)}),
        Action("reorder", reorder),
        Action("delay", delay, {"seconds": st.integers(1, 10)}),
        Action("batch", batch, {"count": few}),
        Action("lose_answers", lose_answers, {"count": few}),
        Action("ring", ring, {"caller": st.integers(0, len(_CALLERS) - 1), "stays": st.booleans()}),
        Action("pick_up", pick_up, {"number": number}),
        Action("connect", connect, {"caller": st.integers(0, 1)}),
        Action("say", say, {"number": number}),
        Action("press", press, {"number": number}),
        Action("leave", leave, {"number": number}),
        Action("initiate", initiate, {"mode": st.sampled_from(["notify", "conversation"])}),
        Action("speak", speak, {"number": number}),
        Action("ask", ask, {"number": number, "answered": st.booleans()}),
        Action("end", end, {"number": number}),
        Action("rename", rename, {"number": number}),
        Action("stream", stream, {"number": number, "what": st.sampled_from(STREAM_STEPS)}),
        Action("assistant", assistant, {"mood": st.sampled_from(MOODS), "times": few}),
        Action("reset_session", reset_session, {"caller": st.integers(0, 1)}),
        Action(
            "fail_command",
            fail,
            {"command": st.sampled_from(COMMANDS), "mode": st.sampled_from(FAULT_MODES), "times": few},
        ),
    )
