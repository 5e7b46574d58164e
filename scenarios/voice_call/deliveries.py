"""The provider's webhook side: events on their way to the subject, redelivered by policy, bent by operators.

A delivery is one HTTP request with one or more events. An attempt is marked `attempted` per event just before the
request is handed over, and `acknowledged` or `refused` per event at the moment the answer is complete. An attempt
that a death cut off counts as a connection that broke. Everything due is data in `Outer`, with absolute times.

Not modelled: connections that hang for ever, where the provider has no limit to its patience.
"""

import asyncio
import hashlib
import math
from collections.abc import Collection, Coroutine
from typing import Any, ClassVar, Final

import msgspec

from harness.scenario import Run, World
from scenarios.voice_call.asgi import Answer, Application, send_request
from scenarios.voice_call.remote import Delivery, Happening, Outer, decode, encode

WEBHOOK_PATH: Final = "/voice/webhook"
SIGNATURE: Final = "x-mock-signature"
_SECRET: Final = b"the key that both sides know"
_BREATH_S: Final = 0.001
"""Long enough for everything that is ready to run, and for nothing that waits for a timer of the subject."""


def signature(body: bytes) -> str:
    """The keyed hash that makes a request the provider's own."""
    return hashlib.blake2b(body, key=_SECRET, digest_size=16).hexdigest()


class Deliveries(World):
    """The part of the provider that calls the subject. `Provider` derives from it and adds the calls themselves."""

    stored_bytes_are_data: ClassVar[bool] = True

    def __init__(self, outer: Outer) -> None:
        self.outer = outer
        self.version = 1
        self._run: Run | None = None
        self._application: Application | None = None
        self._requests: set[asyncio.Task[Answer | None]] = set()

    @property
    def run(self) -> Run:
        if self._run is None:
            raise RuntimeError("the provider has no run yet: call attach(run) first")
        return self._run

    def attach(self, run: Run) -> None:
        self._run = run
        self._application = None
        self._break_connections()

    def connect(self, application: Application | None) -> None:
        """From now on webhook requests reach `application`; None: nobody listens. Until `expect` it may refuse them."""
        self._application = application
        self.excuse()

    def expect(self) -> None:
        """The manager has been started: from now on it takes what it is sent."""
        self.outer.expected_from = self.run.now()
        self._changed()

    def excuse(self) -> None:
        """The manager is being started, or stopped: it may refuse."""
        self.outer.expected_from = math.inf
        self._changed()

    def snapshot(self) -> bytes:
        return encode(self.outer)

    def restore(self, snapshot: bytes) -> None:
        self.outer = decode(snapshot)
        self._application = None
        self._break_connections()
        self._changed()

    # -- what is due ----------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When the outside next does something by itself (seconds since the epoch); None: never."""
        due = [delivery.due for delivery in self.outer.deliveries if delivery.sent_at is None]
        due += [plan.at for plan in self.outer.plans]
        return min(due, default=None)

    async def deliver_due(self) -> bool:
        """Let happen what is due now, in order of its time; whether there was anything."""
        busy = False
        while True:
            now = self.run.now()
            plans = [plan for plan in self.outer.plans if plan.at <= now]
            for plan in plans:
                self.outer.plans.remove(plan)
                self._changed()
                self._carry_out(plan.call, plan.action, plan.reason)
            ready = [one for one in self.outer.deliveries if one.due <= now and one.sent_at is None]
            if not plans and not ready:
                return busy
            busy = True
            if ready:
                await self.attempt(min(ready, key=lambda one: (one.due, one.id)))

    async def run_until_quiet(self, horizon_s: float) -> None:
        """Let virtual time pass, from one due thing to the next, until nothing is due within `horizon_s` seconds."""
        end = self.run.now() + horizon_s
        while True:
            await self.deliver_due()
            await asyncio.sleep(_BREATH_S)
            due = self.next_due()
            if due is None or due > end:
                return
            wait = due - self.run.now()
            if wait > 0:
                await asyncio.sleep(wait)

    # -- one attempt ----------------------------------------------------------------------------------------------

    async def attempt(self, delivery: Delivery) -> Answer | None:
        """Hand one delivery to the subject and deal with the outcome as the policy says."""
        outer, run = self.outer, self.run
        events = [outer.happenings[event] for event in delivery.events]
        body = msgspec.json.encode(
            {"event": _again(events[0])} if len(events) == 1 else {"events": [_again(event) for event in events]}
        )
        for event in events:
            run.mark("attempted", event.id, what=event.kind, call=event.call, attempt=event.attempts + 1)
            event.company = _company(event, delivery.events)
            event.attempts += 1
        delivery.attempt += 1
        delivery.sent_at = run.now()
        self._changed()
        seen = False

        def answered(answer: Answer) -> None:
            nonlocal seen
            if seen:
                return  # the provider has not waited for it
            seen = True
            if outer.patience_s is not None and run.now() - (delivery.sent_at or run.now()) > outer.patience_s:
                self._failed(delivery, "answer-too-late", answered=False)
            elif outer.lose_answers > 0:
                outer.lose_answers -= 1
                self._failed(delivery, "answer-lost", answered=False)
                if answer.accepted:
                    self._read_answer(delivery, answer, arrived=False)
            elif answer.accepted:
                self._accepted(delivery)
                self._read_answer(delivery, answer, arrived=True)
            else:
                if run.now() >= outer.expected_from:
                    for event in events:
                        event.refusals.append(answer.status)
                self._failed(delivery, f"status-{answer.status}", answered=True)

        if self._application is None:
            self._failed(delivery, "nobody-listens", answered=False)
            return None
        request = send_request(
            self._application,
            WEBHOOK_PATH,
            body,
            {"content-type": "application/json", "content-length": str(len(body)), SIGNATURE: signature(body)},
            on_answer=answered,
        )
        answer = await (request if outer.patience_s is None else self._in_time(request, outer.patience_s))
        if not seen:
            seen = True
            self._failed(delivery, "no-answer", answered=False)
        return answer

    async def _in_time(self, request: Coroutine[Any, Any, Answer | None], patience_s: float) -> Answer | None:
        """The answer, if it comes within the provider's patience; the subject may go on with the request afterwards."""
        task = asyncio.get_running_loop().create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        done, _ = await asyncio.wait([task], timeout=patience_s)
        return task.result() if done else None

    def _accepted(self, delivery: Delivery) -> None:
        for name in delivery.events:
            event = self.outer.happenings[name]
            self.run.mark("acknowledged", name, what=event.kind, call=event.call)
            event.pending -= 1
            if not event.acknowledged:
                event.acknowledged = True
                event.acknowledged_at = self.run.now()
                event.owed = self._owes(event)
            self._changed()
        self._drop(delivery)

    def _failed(self, delivery: Delivery, reason: str, *, answered: bool) -> None:
        for name in delivery.events:
            self.run.mark("refused", name, reason=reason)
        self._retry(delivery, answered=answered)

    def _retry(self, delivery: Delivery, *, answered: bool) -> None:
        wait = self.outer.policy.retry_after(delivery.attempt, answered=answered)
        if wait is None:
            for name in delivery.events:
                self.outer.happenings[name].pending -= 1
            self._drop(delivery)
        else:
            delivery.due = (delivery.sent_at or delivery.due) + wait
            delivery.sent_at = None
        self._changed()

    def _break_connections(self) -> None:
        for delivery in [one for one in self.outer.deliveries if one.sent_at is not None]:
            self._retry(delivery, answered=False)

    def _drop(self, delivery: Delivery) -> None:
        if delivery in self.outer.deliveries:
            self.outer.deliveries.remove(delivery)
        self._changed()

    # -- making events --------------------------------------------------------------------------------------------

    def _happen(self, call: str, kind: str, without: Collection[str] = (), **fields: Any) -> Happening:
        """A new event about `call`, on its way at once. `without`: what it does not say."""
        event = self._event(call, kind, **fields)
        for name in without:
            del event.body[name]
        self._enqueue([event.id], event.at)
        return event

    def _event(self, call: str, kind: str, **fields: Any) -> Happening:
        """A new event about `call`, which nobody has sent yet."""
        remote = self.outer.calls[call]
        remote.events += 1
        now = self.run.now()
        body: dict[str, Any] = {
            "id": f"{call}-{remote.events}",
            "type": kind,
            "callId": call,
            "providerCallId": self._name_of(call),
            "timestamp": round(now * 1000),
            "direction": remote.direction,
            "from": remote.from_,
            "to": remote.to,
            **fields,
        }
        if remote.key is not None and not self.outer.keys_stay:
            body["clientKey"] = remote.key
        event = Happening(body["id"], kind, call, body, now)
        self.outer.happenings[event.id] = event
        self._changed()
        return event

    def _name_of(self, call: str) -> str:
        """What the provider calls it now."""
        return next((new for new, old in self.outer.renamed.items() if old == call), call)

    def _enqueue(self, events: list[str], due: float) -> Delivery:
        self.outer.numbered += 1
        delivery = Delivery(self.outer.numbered, events, due)
        for name in events:
            self.outer.happenings[name].pending += 1
        self.outer.deliveries.append(delivery)
        self._changed()
        return delivery

    # -- operators: what networks and providers do to deliveries ---------------------------------------------------

    def waiting(self) -> list[Delivery]:
        """Deliveries that are not in flight, in the order in which they are due."""
        idle = [delivery for delivery in self.outer.deliveries if delivery.sent_at is None]
        return sorted(idle, key=lambda one: (one.due, one.id))

    def duplicate(self, event: str) -> None:
        """The provider sends `event` once more, whatever became of it before."""
        self._enqueue([event], self.run.now())

    def delay(self, seconds: float) -> None:
        """The next delivery comes later."""
        for delivery in self.waiting()[:1]:
            delivery.due += seconds
            self._changed()

    def reorder(self) -> None:
        """The next two deliveries change places."""
        pair = self.waiting()[:2]
        if len(pair) == 2:
            first, second = pair
            first.due, second.due = second.due, first.due
            first.id, second.id = second.id, first.id
            self._changed()

    def batch(self, count: int) -> None:
        """The next `count` deliveries that were not attempted yet travel in one request."""
        fresh = [delivery for delivery in self.waiting() if delivery.attempt == 0][:count]
        if len(fresh) < 2:
            return
        for delivery in fresh[1:]:
            fresh[0].events.extend(delivery.events)
            self._drop(delivery)
        self._changed()

    def lose(self) -> None:
        """The next delivery never reaches anybody, and is not tried again."""
        for delivery in self.waiting()[:1]:
            for name in delivery.events:
                self.outer.happenings[name].pending -= 1
            self._drop(delivery)

    def lose_patience(self, seconds: float) -> None:
        """From now on a request that is not answered within this time has failed, and is tried again."""
        self.outer.patience_s = seconds
        self._changed()

    def lose_answers(self, count: int) -> None:
        """The next `count` answers do not reach the provider, although the subject gave them."""
        self.outer.lose_answers = count
        self._changed()

    # -- for the class that knows the calls ------------------------------------------------------------------------

    def _changed(self) -> None:
        self.version += 1

    def _owes(self, event: Happening) -> bool:
        """Whether the subject, having acknowledged `event` just now, must show its effect from here on."""
        raise NotImplementedError(f"{type(self).__name__} has no _owes()")

    def _read_answer(self, delivery: Delivery, answer: Answer, *, arrived: bool) -> None:
        """The subject has answered 200; `arrived`: and the provider was told."""
        raise NotImplementedError(f"{type(self).__name__} has no _read_answer()")

    def _carry_out(self, call: str, action: str, reason: str) -> None:
        """A person does what they had planned."""
        raise NotImplementedError(f"{type(self).__name__} has no _carry_out()")


def _company(event: Happening, request: list[str]) -> list[str]:
    """With whom it has travelled so far, now that this request carries it."""
    if event.attempts == 0:
        return list(request) if len(request) > 1 else []
    return event.company if event.company == request else []


def _again(event: Happening) -> dict[str, Any]:
    """The body of an event: who repeats it may name its fields in another order."""
    return event.body if not event.attempts else dict(reversed(event.body.items()))
