"""The webhook: one path, one method (catalogue 8.8).

An answer of 200 leaves only when every event of the request is durable; otherwise 503, so that the provider
delivers again. Between deciding about an event and its durable record there is no await, so no second
delivery can overtake the first; a `commit` whose record changed meanwhile is refused in any case. Bodies are
never logged.

A request without the headers that a signature needs is refused before its body is read. From one address at most
`in_flight_per_key` requests are served at a time; the next one gets 503 and not 429, because Twilio repeats a request
after a 5xx where its URL asks for that, and after a 429 never by default: a provider that is merely quick would lose
events. A repeated delivery is answered like the first one: no event applies twice, and what the answer grants is read
from the record.
"""

from collections.abc import Callable

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.events import Absorbed, CallEvent, EventRules, RetryLater
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.provider_client import ProviderClient, ProviderRequest, StreamGrant, WebAnswer
from scenarios.voice_call.manager.public_address import asked_url, public_base, raw_path, stream_url
from scenarios.voice_call.manager.request_body import Refused, read_body
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
        self._public_base = public_base(config)
        self._stream_url = stream_url(config)
        self._from_address: dict[str, int] = {}

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
        if not self.config.skip_signature_verification and not self.client.is_signed(headers):
            self.log.warning("signature-missing")
            raise Refused(401)
        address = self.take_place(scope)
        try:
            return await self.admit(await self.read_request(scope, headers, receive))
        finally:
            self.leave_place(address)

    def take_place(self, scope: Scope) -> str:
        """One of the places of the sender's address, which is returned. Raises Refused when all are taken."""
        client = scope.get("client")
        address = str(client[0]) if client else ""
        taken = self._from_address.get(address, 0)
        if taken >= self.config.in_flight_per_key:
            self.log.warning("too-many-in-flight", limit=self.config.in_flight_per_key)
            raise Refused(503)
        self._from_address[address] = taken + 1
        return address

    def leave_place(self, address: str) -> None:
        """Give the place back."""
        left = self._from_address[address] - 1
        if left:
            self._from_address[address] = left
        else:
            del self._from_address[address]

    async def read_request(self, scope: Scope, headers: dict[str, str], receive: Receive) -> ProviderRequest:
        """The request as its sender wrote it. Raises Refused 400, 408 or 413."""
        limit, timeout_ms = self.config.body_limit, self.config.body_timeout_ms
        body = await read_body(headers, receive, limit=limit, timeout_ms=timeout_ms)
        query = scope.get("query_string", b"").decode("latin-1")
        url = asked_url(self._public_base, scope, headers, query)
        return ProviderRequest(scope["method"], scope["path"], headers, body, query, url)

    async def admit(self, request: ProviderRequest) -> tuple[int, WebAnswer | None]:
        """Verify, then parse, then apply. Raises Refused."""
        if not self.config.skip_signature_verification and not self.client.verify(request):
            self.log.warning("signature-refused")
            raise Refused(401)
        try:
            events = [self.rules.read_event(raw) for raw in self.client.parse(request)]
        except (ValueError, RecursionError) as error:
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
            found.append(StreamGrant(provider_id, event.id, self._stream_url, record.media.tokens[key]))
        return found

    def path_matches(self, scope: Scope) -> bool:
        """Exactly the path, or the path with one slash at its end; as it came, before decoding."""
        path = raw_path(scope)
        return path == self._path or path == self._path + "/"

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
