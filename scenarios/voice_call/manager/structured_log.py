"""Events of the manager as JSON, one object a line, on standard error; standard output stays empty.

`{"time":"2026-02-20T10:00:00.123Z","level":"info","event":"ready","calls":0,…}`. What other libraries log through
the standard logging module comes out in the same shape, as the event `log`. Pure ASCII.

Not modelled: rotation, and a reader that does not read: a full pipe makes the manager wait.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_NAME = "voice_call.manager"


class JsonLines(logging.Formatter):
    """One log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its LF."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = getattr(record, "fields", None)
        event = record.getMessage()
        if fields is None:
            fields, event = {"logger": record.name, "message": event}, "log"
        line: dict[str, object] = {"time": at, "level": record.levelname.lower(), "event": event}
        line = line | fields | line
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class StructuredLog:
    """The event log of the program."""

    def __init__(self) -> None:
        self._log = logging.getLogger(_NAME)

    def info(self, event: str, **fields: object) -> None:
        """Something rare and fine."""
        self._log.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Something rare that somebody may want to know."""
        self._log.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: object) -> None:
        """Something that did not work."""
        self._log.error(event, extra={"fields": fields})


def log_to_stderr(level: str) -> StructuredLog:
    """Send everything of this level (info, warning, error) and above to standard error, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger(_NAME).setLevel(level.upper())
    return StructuredLog()
