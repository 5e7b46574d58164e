"""What a virtual loop cannot do: threads, sockets, pipes, processes, signals. Each refusal names what to use instead."""

import asyncio
from typing import Any, Final, NoReturn, TypeVar

_LoopClass = TypeVar("_LoopClass", bound=type[asyncio.BaseEventLoop])

_OUTSIDE: Final = (
    "run_in_executor add_reader remove_reader add_writer remove_writer getaddrinfo getnameinfo sock_recv "
    "sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept sock_sendfile "
    "create_connection create_server create_unix_connection create_unix_server create_datagram_endpoint "
    "connect_accepted_socket connect_read_pipe connect_write_pipe subprocess_exec subprocess_shell sendfile start_tls "
    "add_signal_handler remove_signal_handler set_default_executor"
)
"""Methods of asyncio's loops that reach outside."""


class NotVirtual(BaseException):
    """The subject asked the loop for something outside of this world; no `except Exception` hides this."""


def refuse(name: str) -> NoReturn:
    raise NotVirtual(
        f"{name}: the virtual loop has no threads, sockets, processes or signals; "
        "run this program on the mounted frontend (harness record, harness crash)"
    )


def outside_of_this_world(loop_class: _LoopClass) -> _LoopClass:
    """Class decorator: each method of `_OUTSIDE` refuses."""
    for name in _OUTSIDE.split():
        setattr(loop_class, name, _refusing(name))
    return loop_class


def _refusing(name: str) -> Any:
    def refused(self: object, *args: Any, **options: Any) -> NoReturn:
        refuse(f"loop.{name}")

    refused.__name__ = name
    return refused
