"""Fetching and mending the package, without a registry."""

from pathlib import Path

import pytest

from scenarios.voice_call_plugin.package import PatchError, Unavailable, append_flushed, cache_folder, fetched

UNAWAITED = "  fsp.appendFile(log, text).catch((failure) => {\n    report(failure);\n  });\n"


def test_an_append_that_nobody_awaits_becomes_synchronous_and_flushed() -> None:
    assert append_flushed(f"before();\n{UNAWAITED}after();\n") == (
        "before();\n  fs.appendFileSync(log, text, { flush: true });\nafter();\n"
    )


@pytest.mark.parametrize(("source", "number"), [("await fsp.appendFile(log, text);\n", 0), (UNAWAITED * 2, 2)])
def test_a_source_with_none_or_several_such_appends_is_refused(source: str, number: int) -> None:
    with pytest.raises(PatchError, match=f"has {number} appends"):
        append_flushed(source)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH with a `node` of the right age."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    _program(folder / "node", "echo v20.10.0")
    return folder


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_npm_it_says_what_to_install(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no npm on the PATH: install Node 20\.10 or newer"):
        fetched(tmp_path / "cache")


def test_a_node_that_cannot_flush_an_append_is_refused(programs: Path, tmp_path: Path) -> None:
    _program(programs / "node", "echo v18.19.1")
    _program(programs / "npm", "exit 1")
    with pytest.raises(Unavailable, match=r"v18\.19\.1 is too old"):
        fetched(tmp_path / "cache")


def test_a_registry_that_cannot_be_reached_is_told_and_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    _program(programs / "npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(Unavailable, match="ENOTFOUND: is the registry reachable"):
        fetched(tmp_path / "cache" / "package")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["package.lock"]


def test_what_was_fetched_is_not_fetched_again(programs: Path, tmp_path: Path) -> None:
    _program(programs / "npm", "exit 1")
    (tmp_path / "package").mkdir()
    package = fetched(tmp_path / "package")
    assert package.plugin("append-flushed") == tmp_path / "package" / "append-flushed"


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "crash-harness" / "openclaw@2026.2.17"
