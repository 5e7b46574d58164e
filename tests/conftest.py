"""Processes that tests start share compiled code, whatever the environment says about writing it beside the sources.

pytest rewrites the assertions of every installed plugin: without a place to keep the result, each pytest that a test
starts compiles Hypothesis and pyfakefs anew, which takes longer than what it is started for.
"""

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled_code_is_kept() -> Iterator[None]:
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        yield
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE")
        patch.setenv("PYTHONPYCACHEPREFIX", folder)
        yield
