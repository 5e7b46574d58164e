"""What the program says on standard error: one JSON object a line, whoever speaks."""

import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from scenarios.voice_call.manager.structured_log import log_to_stderr


@pytest.fixture
def root() -> Iterator[None]:
    """The standard logging as it was before, afterwards."""
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    yield
    logging.captureWarnings(False)
    logger.handlers[:], logger.level = before, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, said = capsys.readouterr()
    assert out == "" and said.isascii()
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.usefixtures("root")
def test_event_is_one_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    log = log_to_stderr("info")
    log.warning("line-quarantined", call="grüße\u2028\n%s", line=3, why=OSError("gone"))
    (line,) = lines(capsys)
    assert (line["level"], line["event"], line["line"]) == ("warning", "line-quarantined", 3)
    assert line["call"] == "grüße\u2028\n%s" and line["why"] == "gone" and line["time"].endswith("Z")


@pytest.mark.usefixtures("root")
def test_fields_that_are_called_like_the_envelope_do_not_replace_it(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info").info("ready", level="high", time=7)
    (line,) = lines(capsys)
    assert line["level"] == "info" and line["time"] != 7 and line["event"] == "ready"


@pytest.mark.usefixtures("root")
def test_level_bounds_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    log = log_to_stderr("error")
    log.info("ready")
    log.warning("tail-cut")
    log.error("writer-poisoned")
    assert [line["event"] for line in lines(capsys)] == ["writer-poisoned"]


@pytest.mark.usefixtures("root")
def test_libraries_and_warnings_come_out_in_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("in %s", "a library")
    warnings.warn("old", UserWarning, stacklevel=1)
    first, second = lines(capsys)
    assert (first["event"], first["logger"], first["message"]) == ("log", "uvicorn.error", "in a library")
    assert "ValueError: broken" in first["traceback"] and "old" in second["message"]
