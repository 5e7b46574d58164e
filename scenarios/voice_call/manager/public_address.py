"""Where the world reaches the webhook: what providers sign, and where their callbacks go.

`public_url` is what stands before the path: scheme, host, perhaps a port and a prefix. With the webhook's path at its
end it means the same. Forwarding headers are not looked at: whoever sends a request writes them.
"""

from collections.abc import Mapping

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.web import Scope


def public_base(config: Config) -> str | None:
    """What stands before every path; None when it is not configured."""
    if config.public_url is None:
        return None
    return config.public_url.rstrip("/").removesuffix(config.webhook_path)


def webhook_url(config: Config) -> str:
    """Where providers send their callbacks. Raises ValueError when there is no public URL."""
    base = public_base(config)
    if base is None:
        raise ValueError("public_url is not set: a provider cannot reach this webhook; set it to https://HOST")
    return base + config.webhook_path


def stream_url(config: Config) -> str:
    """Where media streams are opened: absolute behind a public URL, otherwise the path on whatever host was asked."""
    base = public_base(config)
    return config.stream_path if base is None else base.replace("http", "ws", 1) + config.stream_path


def raw_path(scope: Scope) -> str:
    """The path as it came, before decoding."""
    raw = scope.get("raw_path")
    return str(scope["path"]) if raw is None else str(raw.decode("latin-1"))


def asked_url(base: str | None, scope: Scope, headers: Mapping[str, str], query: str) -> str:
    """The URL of a request as its sender wrote it: behind the public base, else behind its own Host."""
    before = base if base is not None else f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"
    return before + raw_path(scope) + (f"?{query}" if query else "")
