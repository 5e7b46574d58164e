"""Random calls on the mounted folder and on a real one: same results, same tree; and the trace makes the same tree."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from harness.disk import DiskImage
from harness.frontends.mounted.recording import Run, record

pytestmark = pytest.mark.fuse

CALLS = 250

PROGRAM = r"""
import json, os, random, sys
seed, count = int(sys.argv[2]), int(sys.argv[3])
os.chdir(sys.argv[1])
choice = random.Random(seed)
names = ["a", "b", "c", "d", "d/a", "d/b", "e", "e/a", "d/e", "missing/x"]
opened = []
def name():
    return choice.choice(names)
def some():
    return choice.choice(opened) if opened else -1
def act():
    kind = choice.randrange(24)
    if kind < 4:
        flags = choice.choice([0, os.O_TRUNC, os.O_EXCL, os.O_APPEND, os.O_APPEND | os.O_TRUNC])
        opened.append(os.open(name(), os.O_RDWR | os.O_CREAT | flags, 0o640))
        return "opened"
    if kind < 8: return os.write(some(), choice.randbytes(choice.choice([1, 10, 600, 5000])))
    if kind == 8: return os.pwrite(some(), choice.randbytes(100), choice.choice([0, 50, 511, 9000]))
    if kind == 9: return os.pread(some(), 2000, choice.choice([0, 100, 600])).hex()
    if kind == 10: return os.ftruncate(some(), choice.choice([0, 7, 512, 6000]))
    if kind == 11: return os.truncate(name(), choice.choice([0, 7, 512, 6000]))
    if kind == 12: return os.rename(name(), name())
    if kind == 13: return os.replace(name(), name())
    if kind == 14: return os.link(name(), name(), follow_symlinks=False)
    if kind == 15: return os.symlink(choice.choice(["a", "d", "./b", "nowhere"]), name())
    if kind == 16: return os.unlink(name())
    if kind == 17: return os.mkdir(name(), 0o750)
    if kind == 18: return os.rmdir(name())
    if kind == 19: return sorted(os.listdir(choice.choice([".", "d", "e", "a"])))
    if kind == 20:
        known = os.lstat(name())
        return [known.st_mode, known.st_nlink, 0 if known.st_mode & 0o40000 else known.st_size]
    if kind == 21: return os.posix_fallocate(some(), choice.choice([0, 100]), choice.choice([10, 3000]))
    if kind == 22: return os.fsync(some())
    if kind == 23 and opened: return os.close(opened.pop(choice.randrange(len(opened))))
os.umask(0o022)
results = []
for _ in range(count):
    try: results.append(act())
    except OSError as error: results.append(error.errno)
    except ValueError: results.append("no file")
print(json.dumps(results))
"""


def results_on_a_real_folder(folder: Path, seed: int) -> list[object]:
    words = [sys.executable, "-S", "-c", PROGRAM, str(folder), str(seed), str(CALLS)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("seed", range(12))
def test_a_mounted_folder_is_like_a_real_one(root, tmp_path, seed):
    real = tmp_path / "real"
    real.mkdir()
    expected = results_on_a_real_folder(real, seed)
    words = (sys.executable, "-S", "-c", PROGRAM, "{root}", str(seed), str(CALLS))
    recorded = record(Run(root, words, time_limit_s=60, direct=random.Random(seed).random() < 0.7))
    assert recorded.ended.exit_code == 0, recorded.ended.errors
    assert json.loads(recorded.trace.marks()[0].event) == expected
    assert recorded.image.digest() == DiskImage.load(real).digest()
    assert DiskImage.made_by(recorded.trace.items).digest() == recorded.image.digest()
