"""Two shell scripts for a program that the simulated disk cannot hold: any language, processes, sqlite3, mmap.

One records a run on a mounted folder and tries its crash states, the other is the checker. Nobody can know from outside
what the program promises: the checker demands that it starts again, and has the lines for more.
"""

import os
import shlex
from pathlib import Path
from typing import Final

_STARTED_BY: Final = {".py": "python3", ".sh": "sh", ".js": "node", ".mjs": "node", ".rb": "ruby", ".pl": "perl"}


class Unstartable(ValueError):
    """How the program is started is not known; the message says what to do."""


def command_of(program: Path, root: Path) -> str:
    """How a shell in any folder starts it, with `$here` for `root`. Raises Unstartable."""
    place = f'"$here"/{shlex.quote(os.path.relpath(program.resolve(), root.resolve()))}'
    if os.access(program, os.X_OK):
        return place
    started_by = _STARTED_BY.get(program.suffix)
    if started_by is None:
        raise Unstartable(
            f"{program} is not executable, and nothing is known that starts a {program.suffix or 'file without suffix'}: "
            f"chmod +x {shlex.quote(str(program))}"
        )
    return f"{started_by} {place}"


def record_text(command: str) -> str:
    return f"""#!/bin/sh
# Records one run of the program on a mounted folder, then tries every state that a crash may leave of that folder.
# Needs FUSE: `harness doctor` says whether it is there. Options go to `harness crash`, e.g. --profile ext4.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
# {{root}} (also $HARNESS_ROOT) is the folder: the program must keep its files there.
# Each line that it prints is a promise: from then on, the world believes it.
harness record --root "$box/root" -o "$box/run.trace" -- {command} '{{root}}'
harness crash "$box/run.trace" --check "sh '$here/crash/check.sh'" --out "$here/.harness" "$@"
"""


def check_text(command: str) -> str:
    return f"""#!/bin/sh
# Runs in a folder as a crash may have left it; $HARNESS_ROOT is the folder. Exit 0: all is well. The last line of output
# says what is not. Standard input has the lines that the program had printed before the death.
here=$(cd "$(dirname "$0")/.." && pwd)

# 1. What was promised is there. Take the '#' away if each printed line must be found in the files again:
# while read -r told; do
#   grep -rqF -- "$told" "$HARNESS_ROOT" || {{ echo "lost: $told"; exit 1; }}
# done

# 2. The program starts again on what is left.
{command} "$HARNESS_ROOT" </dev/null >/dev/null || {{ echo "it does not start again: exit code $?"; exit 1; }}
"""
