"""`--stacks`: the source line of each operation, where the program's language can tell it."""

import shutil
from pathlib import Path

import pytest

from harness.frontends.mounted.recording import Recorded, Run, record
from harness.frontends.mounted.source_lines import Line, own_frame
from harness.trace import Mark

NODE = """\
import { appendFile, open } from 'node:fs/promises';
import fs from 'node:fs';
const root = process.env.HARNESS_ROOT;
async function store(line) {
  await appendFile(`${root}/calls.jsonl`, line);
}
await store('one');
fs.writeFileSync(root + '/tmp', 'x');
fs.renameSync(root + '/tmp', root + '/state');
const log = await open(root + '/log', 'w');
await log.write('abc');
await log.sync();
fs.mkdir(root + '/d', () => fs.rmSync(root + '/state'));
"""

PYTHON = """\
import os
log = open(os.environ["HARNESS_ROOT"] + "/log", "w")
def store(line):
    log.write(line)
    log.flush()
store("one")
os.fsync(log.fileno())
"""


def lines_of(recorded: Recorded) -> list[str]:
    return [
        f"{source} {type(item).__name__}"
        for item, source in zip(recorded.trace.items, recorded.trace.sources, strict=True)
        if not isinstance(item, Mark)
    ]


@pytest.mark.fuse
def test_node_tells_the_line_of_each_call_of_its_file_system(root: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: install Node.js")
    (tmp_path / "calls.mjs").write_text(NODE)
    recorded = record(Run(root, (node, str(tmp_path / "calls.mjs")), time_limit_s=60, stacks=True))
    assert recorded.ended.exit_code == 0, recorded.ended.errors
    assert lines_of(recorded) == [
        "calls.mjs:5 Create",
        "calls.mjs:5 Write",
        "calls.mjs:8 Create",
        "calls.mjs:8 Write",
        "calls.mjs:9 Rename",
        "calls.mjs:10 Create",
        "calls.mjs:11 Write",
        "calls.mjs:12 Fsync",
        "calls.mjs:13 Mkdir",
        "calls.mjs:13 Unlink",
    ]
    first = recorded.trace.sources[0]
    assert first is not None and first.function == "store" and first.process and first.process.program == "node"


@pytest.mark.fuse
def test_pythons_stack_is_read_while_it_waits(root: Path, tmp_path: Path) -> None:
    if shutil.which("py-spy") is None:
        pytest.skip("py-spy is missing: pip install py-spy")
    python = shutil.which("python3") or "python3"
    (tmp_path / "store.py").write_text(PYTHON)
    recorded = record(Run(root, (python, str(tmp_path / "store.py")), time_limit_s=60, stacks=True))
    assert lines_of(recorded) == ["store.py:2 Create", "store.py:5 Write", "store.py:7 Fsync"]


@pytest.mark.fuse
def test_other_programs_keep_the_place_of_the_call(root: Path) -> None:
    recorded = record(Run(root, ("touch", "{root}/f"), time_limit_s=60, stacks=True))
    assert lines_of(recorded) == ["touch: 1st create of f Create"]


def test_the_programs_own_frame_comes_before_those_of_libraries() -> None:
    library = {"filename": "/usr/lib/python3.11/json/__init__.py", "line": 3, "name": "dump"}
    own = {"filename": "/home/me/store.py", "line": 7, "name": "save"}
    assert own_frame([library, own]) == Line("/home/me/store.py", 7, "save")
    assert own_frame([library]) == Line("/usr/lib/python3.11/json/__init__.py", 3, "dump")
    assert own_frame([]) is None
