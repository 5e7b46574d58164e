"""The package: fetched from the registry once into a folder, with what its call manager needs to run, and a mended copy.

Fetched: the package itself (`npm pack`; only the plugin's folder is unpacked), tsx, and of the plugin's own dependencies
the one that its call manager loads, zod, in the version range that its `package.json` asks for. Nothing of it is part of
this project.

The mended copy differs in one statement of `src/manager/store.ts`: the append is synchronous, and flushed.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import msgspec

RELEASE: Final = "openclaw@2026.2.17"
TSX: Final = "tsx@4"
EXTENSION: Final = "package/extensions/voice-call"
STORE: Final = "src/manager/store.ts"

Variant: TypeAlias = Literal["as-published", "append-flushed"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)

NODE_WITH_FLUSH: Final = (20, 10)
"""The first version of Node whose `appendFileSync` can flush."""

_FETCH_S: Final = 300
_NPM: Final = ("--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
_APPEND: Final = re.compile(r"fsp\.appendFile\((\w+), (\w+)\)\.catch\(\(\w+\) => \{[^{}]*\}\);")
_FLUSHED: Final = r"fs.appendFileSync(\1, \2, { flush: true });"


class Unavailable(Exception):
    """The package cannot be fetched or run here; the message says what is missing."""


class PatchError(Exception):
    """The source is not the one that the patch is for."""


class Package(msgspec.Struct, frozen=True):
    """A folder with the plugin and what runs it."""

    folder: Path

    def plugin(self, variant: Variant) -> Path:
        return self.folder / variant

    @property
    def node(self) -> tuple[str, ...]:
        """The words that start Node so that it loads TypeScript."""
        return "node", "--import", (self.folder / "node_modules/tsx/dist/loader.mjs").as_uri()


def cache_folder() -> Path:
    """Where the package stays between runs: `$XDG_CACHE_HOME/crash-harness`, by default below `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "crash-harness" / RELEASE


def fetched(folder: Path) -> Package:
    """The package in `folder`, fetched if it is not there yet; one process at a time. Raises Unavailable, PatchError."""
    _check_node()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as place:
                _fetch(Path(place) / "whole")
                (Path(place) / "whole").rename(folder)
    return Package(folder)


def _check_node() -> None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"no {program} on the PATH: install Node {'.'.join(map(str, NODE_WITH_FLUSH))} or newer")
    version = _output(["node", "--version"], Path.cwd())
    if tuple(int(number) for number in version.lstrip("v").split(".")[:2]) < NODE_WITH_FLUSH:
        raise Unavailable(f"Node {version} is too old: {'.'.join(map(str, NODE_WITH_FLUSH))} can flush an append")


def _fetch(folder: Path) -> None:
    folder.mkdir()
    published = folder / VARIANTS[0]
    archive = folder / _output(["npm", "pack", *_NPM, RELEASE], folder).splitlines()[-1]
    _unpack(archive, published)
    archive.unlink()
    zod = json.loads((published / "package.json").read_text())["dependencies"]["zod"]
    (folder / "package.json").write_text('{"private": true}\n')
    _output(["npm", "install", *_NPM, "--no-audit", "--no-fund", TSX, f"zod@{zod}"], folder)
    flushed = folder / VARIANTS[1]
    shutil.copytree(published, flushed)
    (flushed / STORE).write_text(append_flushed((flushed / STORE).read_text()))


def _unpack(archive: Path, folder: Path) -> None:
    """Only the plugin: 0.5 MB of 60."""
    with tarfile.open(archive) as package, tempfile.TemporaryDirectory(dir=archive.parent) as place:
        wanted = [one for one in package if one.isfile() and one.name.startswith(f"{EXTENSION}/")]
        if not any(one.name == f"{EXTENSION}/{STORE}" for one in wanted):
            raise Unavailable(f"{RELEASE} has no {EXTENSION}/{STORE}: it is not the release that the bug is in")
        package.extractall(place, wanted, filter="data")
        (Path(place) / EXTENSION).rename(folder)


def _output(words: list[str], folder: Path) -> str:
    try:
        ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"`{' '.join(words)}` did not end within {_FETCH_S} s: is the registry reachable?") from None
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise Unavailable(f"`{' '.join(words)}` failed: {said[0]}: is the registry reachable?")
    return ended.stdout.strip()


def append_flushed(store: str) -> str:
    """`store.ts` with its append synchronous and flushed. Raises PatchError unless there is exactly one to replace."""
    mended, number = _APPEND.subn(_FLUSHED, store)
    if number != 1:
        raise PatchError(f"{STORE} has {number} appends that nobody awaits, not one: is it the source of {RELEASE}?")
    return mended
