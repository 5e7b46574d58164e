"""`python -m scenarios.voice_call_plugin` where the package cannot be had, or is asked for what there is not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.voice_call_plugin.__main__ import main


def test_a_registry_that_cannot_be_reached_makes_it_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = CliRunner().invoke(main, ["--out", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert result.output.startswith("error: no node on the PATH: install Node 20.10 or newer")


def test_a_promise_that_nobody_made_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--promise", "eternal", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "'lost', 'stale-active', 'double-applied', 'torn-tail-swallow', 'timer-lost'" in result.output
