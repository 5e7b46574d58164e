"""Under which key the lines of a call are kept, where nobody said another."""


def session_key_of(number: str | None) -> str | None:
    """The key of a telephone number: `voice:` and its digits.

    One without digits has none: strangers who hide theirs would share one session.
    """
    digits = "".join(c for c in number or "" if c in "0123456789")
    return f"voice:{digits}" if digits else None
