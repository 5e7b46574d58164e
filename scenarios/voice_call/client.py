"""The client of the manager's own interface: asks for calls, prompts and ends, and remembers what it was told.

A request is marked `attempted` as "api:<name>", then `acknowledged`, or `refused`; `refused` with the detail
`final` says that the client was told "it did not happen" and relies on it. A request that a death cut off stays
"pending": its outcome is not known. One that was answered with an error which the interface does not know is
"broken". The memory lives in the provider's tree, because it survives the subject as well.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from msgspec.structs import replace

from scenarios.voice_call.answer_shape import dial_answer, end_answer, turn_answer
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.outbound import InitiateResult
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import CallEnded, CallNotConnected, CallNotFound, NotReady, TurnInProgress
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Look, Request
from scenarios.voice_call.session_memory import encode_memory, memory_of

_TOLD_NOT = (NotReady, CallNotFound, CallNotConnected, CallEnded, TurnInProgress)
_TOLD_MAYBE = (ProviderRefused, ProviderUnavailable, StoreUnavailable, TimeoutError)

NO_ANSWER: Final = "no answer"
"""The reason of a request that the client gave up itself."""

PATIENCE_S: Final = 20.0
"""How long the client waits for an answer; longer than every wait of a manager whose disk and provider work."""


class Client:
    """Requests of one client; `manager` is the one that is alive now."""

    def __init__(self, provider: Provider, manager: CallManager) -> None:
        self.provider = provider
        self.manager = manager

    async def initiate(
        self, name: str, to: str, message: str | None = None, mode: str = "notify", session_key: str | None = None
    ) -> str | None:
        """Ask for a call under the request's name as key; the call's internal id when the client was told one."""
        asking = self.manager.initiate(to, message, mode, session_key, name)
        return await self._dialled(Request(name, "initiate", text=message, to=to, key=name), asking)

    async def initiate_without_key(self, name: str, to: str, mode: str = "notify") -> str | None:
        """Ask for a call under no key: it is dialled under its own id, which the answer tells."""
        return await self._dialled(Request(name, "initiate", to=to), self.manager.initiate(to, mode=mode))

    async def _dialled(self, request: Request, asking: Coroutine[Any, Any, InitiateResult]) -> str | None:
        self._ask(request)
        try:
            async with asyncio.timeout(PATIENCE_S):
                result = dial_answer(await asking)
        except (*_TOLD_NOT, *_TOLD_MAYBE) as error:
            # documented: a store that is unavailable means that nobody was dialled
            self._refused(request, str(error), final=isinstance(error, (*_TOLD_NOT, StoreUnavailable)))
            return None
        except Exception as error:
            self._broken(request, error)
            return None
        request.key = request.key or result.call_id
        if result.outcome == "created":
            return self._done(request, result.call_id)
        request.answer = result.outcome
        self._refused(request, result.reason or result.outcome, final=result.outcome == "refused")
        return result.call_id

    async def speak(self, name: str, call_id: str, text: str) -> None:
        request = self._ask(Request(name, "speak", call=call_id, text=text))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.manager.speak(call_id, text)
        except (*_TOLD_NOT, *_TOLD_MAYBE) as error:
            self._refused(request, str(error), final=isinstance(error, _TOLD_NOT))
            return
        except Exception as error:
            self._broken(request, error)
            return
        self._done(request, call_id)

    async def continue_call(self, name: str, call_id: str, prompt: str) -> str | None:
        """Ask a question and wait; the answer, when there was one."""
        request = self._ask(Request(name, "continue", call=call_id, text=prompt))
        try:
            async with asyncio.timeout(PATIENCE_S):
                result = turn_answer(await self.manager.continue_call(call_id, prompt))
        except (*_TOLD_NOT, *_TOLD_MAYBE) as error:
            self._refused(request, str(error), final=isinstance(error, _TOLD_NOT))
            return None
        except Exception as error:
            self._broken(request, error)
            return None
        if result.outcome != "answered":
            request.answer = result.outcome
            self._refused(request, result.outcome, final=False)
            return None
        self._done(request, call_id, result.text)
        return result.text

    async def end(self, name: str, call_id: str, reason: str = "hangup-bot") -> None:
        request = self._ask(Request(name, "end", call=call_id, text=reason))
        try:
            async with asyncio.timeout(PATIENCE_S):
                end_answer(await self.manager.end(call_id, reason))
        except (*_TOLD_NOT, *_TOLD_MAYBE) as error:
            self._refused(request, str(error), final=False)
            return
        except Exception as error:
            self._broken(request, error)
            return
        self._done(request, call_id)

    async def reset_session(self, name: str, key: str) -> None:
        """Ask for a session to begin anew; the request remembers what it held before, and how long its calls were."""
        before = memory_of(key, self.manager)
        request = self._ask(Request(name, "reset", text=key, answer=encode_memory(before)))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.manager.reset_session(key)
        except (*_TOLD_NOT, *_TOLD_MAYBE) as error:
            self._refused(request, str(error), final=isinstance(error, _TOLD_NOT))
            return
        after = memory_of(key, self.manager)
        self._done(request, None, encode_memory(replace(before, lengths=after.lengths)))

    def look(self, call_id: str | None) -> None:
        """Read one call, and remember what was shown. Reading is free, and changes nothing."""
        outer = self.provider.outer
        if call_id is None:
            return
        shown = self.manager.status(call_id)
        asked = any(one.call == call_id and one.outcome == "pending" for one in outer.requests.values())
        self.provider.saw(
            Look(
                call=call_id,
                at=self.provider.run.now(),
                state=None if shown is None else shown["state"],
                live=shown is not None and bool(shown["live"]),
                doubted=call_id in self.manager.view()["quarantined"],
                idle=not asked and (shown is None or shown["greeting"] != "started"),
            )
        )

    def _ask(self, request: Request) -> Request:
        run = self.provider.run
        run.mark("attempted", f"api:{request.name}", what=request.kind)
        request.at = run.now()
        earlier = self.provider.outer.requests.get(request.name)
        request.first_at = request.at if earlier is None else earlier.first_at
        self.provider.remember(request)
        return request

    def _done(self, request: Request, call: str | None, answer: str | None = None) -> str | None:
        self.provider.run.mark("acknowledged", f"api:{request.name}", what=request.kind)
        request.outcome, request.call, request.answer = "done", call, answer
        self.provider.remember(request)
        return call

    def _refused(self, request: Request, reason: str, *, final: bool) -> None:
        self.provider.run.mark("refused", f"api:{request.name}", reason=reason, final=final)
        request.outcome = "refused" if final else "failed"
        request.reason, request.told_at = reason or NO_ANSWER, self.provider.run.now()
        self.provider.remember(request)

    def _broken(self, request: Request, error: Exception) -> None:
        """Nothing of this is in the manager's interface: the client gives up, and knows nothing."""
        self._refused(request, f"{type(error).__name__}: {error}", final=False)
        request.outcome, request.answer = "broken", f"{type(error).__name__}: {error}"
        self.provider.remember(request)
