"""How a telephony provider redelivers: the rows of the catalogue's section 6, as data.

Not modelled: failover addresses, providers that reorder on purpose (the operators of `deliveries` do that).
"""

from typing import Final

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """The n-th retry of a delivery comes `schedule_s[n]` seconds after the attempt before it; then it is given up.

    `on_refusal`: retry after an HTTP answer that is not 2xx as well, and not only when no answer came.
    """

    name: str
    schedule_s: tuple[float, ...]
    on_refusal: bool

    def retry_after(self, attempt: int, *, answered: bool) -> float | None:
        """Seconds until the retry that follows attempt number `attempt` (1 is the first); None: given up."""
        if (answered and not self.on_refusal) or attempt > len(self.schedule_s):
            return None
        return self.schedule_s[attempt - 1]


AT_MOST_ONCE: Final = Policy("at-most-once", (), on_refusal=False)
"""Sinch without a fallback URL; GitHub Apps."""

CONNECT_RETRY: Final = Policy("connect-retry", (1.0,), on_refusal=False)
"""Twilio's default: one retry, and only when the connection failed."""

RETRY_NON_2XX: Final = Policy("retry-non-2xx", (2.0, 4.0, 8.0), on_refusal=True)
"""Dialpad's schedule: 2, 4, 8 seconds."""

LONG_HORIZON: Final = Policy("long-horizon", (30.0, 120.0, 480.0, 1920.0, 7680.0), on_refusal=True)
"""Stripe's and Ultravox' kind: exponential, over hours."""

POLICIES: Final = {policy.name: policy for policy in (AT_MOST_ONCE, CONNECT_RETRY, RETRY_NON_2XX, LONG_HORIZON)}
