"""The text of a workflow for GitHub Actions that runs what `harness init` wrote, and keeps the cases it saves."""

from pathlib import Path
from typing import Final

from harness import __version__

_HEAD: Final = """# Sweeps every moment at which the machine may die, on each push. Written by `harness init`: yours now.
name: crash
on:
  push:
  pull_request:
permissions:
  contents: read
jobs:
  crash:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
"""

_TAIL: Final = """      - name: Keep the saved cases
        if: failure()
        uses: actions/upload-artifact@v4
        with:
          name: crash-cases
          path: .harness/
          include-hidden-files: true
          if-no-files-found: ignore
"""


def for_test(test_file: str, root: Path) -> str:
    """`test_file` is relative to `root`, the folder that holds .github."""
    steps = [*_dependencies(root), f'pip install "crash-harness=={__version__}"', f"harness run {test_file} --github"]
    return _HEAD + "".join(f"      - run: {step}\n" for step in steps) + _TAIL


def for_scripts(root: Path) -> str:
    steps = [
        "sudo apt-get update && sudo apt-get install -y fuse3",
        *_dependencies(root),
        f'pip install "crash-harness[fuse]=={__version__}"',
        "sh crash/record.sh",
    ]
    return _HEAD + "".join(f"      - run: {step}\n" for step in steps) + _TAIL


def _dependencies(root: Path) -> list[str]:
    """What the program itself needs, where its folder says so."""
    if (root / "pyproject.toml").is_file() or (root / "setup.py").is_file():
        return ["pip install ."]
    if (root / "requirements.txt").is_file():
        return ["pip install -r requirements.txt"]
    return []
