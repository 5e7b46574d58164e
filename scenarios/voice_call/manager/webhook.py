"""The webhook: one path, one method (catalogue 8.8).

An answer of 200 leaves only when every event of the request is durable; otherwise 503, so that the provider
delivers again. Between deciding about an event and its durable record there is no await, so no second
delivery can overtake the first; a `commit` whose record changed meanwhile is refused in any case. Bodies are
never logged.
"""

import asyncio
from collections.abc import Callable

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.events import Absorbed, CallEvent, EventRules, RetryLater
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.provider_client import ProviderClient, ProviderRequest, StreamGrant, WebAnswer
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.web import Receive, Scope, Send

_RETRY_AFTER = (b"retry-after", b"1")
_REASONS = {
    400: b"Bad Request",
    401: b"Unauthorized",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
    200: b"OK",
}


class Refused(Exception):
    """A request that gets this status and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Webhook:
    """An ASGI application for HTTP requests."""

    def __init__(
        self,
        config: Config,
        client: ProviderClient,
        rules: EventRules,
        journal: Journal,
        ready: Callable[[], bool],
        *,
        log: EventLog,
    ) -> None:
        self.config = config
        self.client = client
        self.rules = rules
        self.journal = journal
        self.log = log
        self.in_flight = 0
        self._ready = ready
        self._path = config.webhook_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self.in_flight += 1
        answer = None
        try:
            try:
                status, answer = await self.handle(scope, receive)
            except Refused as refused:
                status = refused.status
            except Exception as error:
                self.log.error("request-failed", why=f"{type(error).__name__}: {error}")
                status = 500
            await self.respond(send, status, answer)
        finally:
            self.in_flight -= 1

    async def respond(self, send: Send, status: int, answer: WebAnswer | None) -> None:
        """The answer: the same for every delivery of the same thing."""
        answer = answer or WebAnswer(_REASONS[status])
        body = answer.body
        content_type = (b"content-type", answer.content_type.encode("ascii"))
        headers = [content_type, (b"content-length", str(len(body)).encode("ascii"))]
        if status == 503:
            headers.append(_RETRY_AFTER)
        if status == 405:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def handle(self, scope: Scope, receive: Receive) -> tuple[int, WebAnswer | None]:
        """The status of a request, and the provider's answer where it is 200. Raises Refused."""
        if not self.path_matches(scope):
            raise Refused(404)
        if scope["method"] != "POST":
            raise Refused(405)
        if not self._ready():
            self.log.info("refused-not-ready")
            raise Refused(503)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = await self.read_body(headers, receive)
        request = ProviderRequest(scope["method"], scope["path"], headers, body)
        if not self.client.verify(request):
            self.log.warning("signature-refused")
            raise Refused(401)
        try:
            events = [self.rules.read_event(raw) for raw in self.client.parse(request)]
        except ValueError as error:
            self.log.warning("body-refused", why=type(error).__name__)
            raise Refused(400) from None
        if not self._ready():
            raise Refused(503)
        status = await self.apply_all(events)
        return status, self.client.answer(request, self.grants(events)) if status == 200 else None

    def grants(self, events: list[CallEvent]) -> list[StreamGrant]:
        """The streams that these events may open, from what is written: a repeated delivery gets the same.

        The call is named as the event named it: the record may have got another name since.
        """
        found = []
        for event in events:
            record = self.rules.find(event) if event.wants_stream else None
            key = self.rules.dedupe_key(event)
            if record is None or record.media is None or key not in record.media.tokens:
                continue
            provider_id = event.provider_call_id or event.call_id or record.call_id
            found.append(StreamGrant(provider_id, event.id, self.config.stream_path, record.media.tokens[key]))
        return found

    def path_matches(self, scope: Scope) -> bool:
        """Exactly the path, or the path with one slash at its end; as it came, before decoding."""
        raw = scope.get("raw_path")
        path = scope["path"] if raw is None else raw.decode("latin-1")
        return bool(path == self._path or path == self._path + "/")

    async def read_body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The body, bounded in size and time. Raises Refused 413 or 408."""
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.config.body_limit:
            raise Refused(413)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.config.body_timeout_ms / 1000):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(408)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.config.body_limit:
                        raise Refused(413)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(408) from None

    async def apply_all(self, events: list[CallEvent]) -> int:
        """Apply in order; after a failure the later events of the same call wait for the next delivery."""
        failed: dict[str, None] = {}
        for event in events:
            identity = self.identity(event)
            if identity in failed:
                continue
            try:
                await self.apply_one(event)
            except (StoreUnavailable, RetryLater) as error:
                self.log.warning("event-refused", id=event.id, type=event.type, why=type(error).__name__)
                failed[identity] = None
            except Exception as error:
                self.log.error("event-failed", id=event.id, type=event.type, why=f"{type(error).__name__}: {error}")
                failed[identity] = None
        return 503 if failed else 200

    def identity(self, event: CallEvent) -> str:
        """What tells the events of one call from another's within a request."""
        known = self.rules.find(event)
        return known.call_id if known is not None else str(event.provider_call_id or event.call_id or event.client_key)

    async def apply_one(self, event: CallEvent) -> None:
        """Claim and apply one event, durably. Raises StoreUnavailable or RetryLater."""
        self.journal.ensure_writable()
        decision = self.rules.admit(event, self.journal.now())
        if not isinstance(decision, Absorbed):
            self.journal.commit(decision.before, decision.after, decision.kind)
