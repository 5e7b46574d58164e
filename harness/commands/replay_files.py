"""What `harness replay` writes: a regression test, the disk of the crash. Nothing that exists is written over."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from harness.disk import DiskImage
    from harness.repro import Replay, ReproFile


def check_new(option: str, path: Path | None) -> None:
    """UsageError where something is in the way, or where there is no folder to write into."""
    if path is None:
        return
    if path.exists() or path.is_symlink():
        raise click.UsageError(f"{option} {path} exists: name a new one, nothing is written over")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"{option} {path}: there is no folder {path.parent}")


def write_test(path: Path, file: "ReproFile", screen: "Console") -> None:
    """A pytest file that fails while the bug is there."""
    from harness.report.regression_file import regression_file
    from harness.repro import ReproError

    try:
        path.write_text(regression_file(file, __version__), encoding="utf-8")
    except ReproError as error:
        raise click.UsageError(f"--pytest: {error}") from None
    except OSError as error:
        raise click.UsageError(f"cannot write --pytest {path}: {error.strerror}") from None
    screen.print(f"wrote {path}: run it with  pytest {path}", soft_wrap=True, markup=False)


def write_disk(path: Path, replay: "Replay", screen: "Console") -> None:
    """The tree that was found after the last death of the case."""
    image = _last_disk(replay)
    if image is None:
        raise click.UsageError("--export-dir: nobody died in this case, so there is no disk to be found")
    try:
        path.mkdir()
        image.export(path)
    except OSError as error:
        raise click.UsageError(f"cannot write --export-dir {path}: {error.strerror}") from None
    screen.print(f"wrote the disk after the last death into {path}", soft_wrap=True, markup=False)


def _last_disk(replay: "Replay") -> "DiskImage | None":
    if replay.played.disks:
        return replay.played.disks[-1]
    found = [segment.found for segment in replay.played.segments if segment.found is not None]
    return found[-1] if found else None
