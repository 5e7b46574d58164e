"""Times as providers write them, in milliseconds since the epoch; None for what is no time."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def from_iso(text: str | None) -> int | None:
    """An ISO 8601 time; without a zone it is UTC."""
    try:
        return None if text is None else _milliseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def from_mail_date(text: str | None) -> int | None:
    """An RFC 2822 time."""
    try:
        return None if text is None else _milliseconds(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _milliseconds(instant: datetime) -> int:
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
