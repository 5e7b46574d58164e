"""A module that is loaded anew under its old name is another module: its calls are redirected as well."""

import importlib
import sys

from harness import crash_test

SOURCE = """
import os
from os import fsync

def workload(mark):
    descriptor = os.open("/data/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"x")
    fsync(descriptor)
    fsync(os.open("/data", os.O_RDONLY))
    mark(1)

def recovered(marks):
    assert not marks or open("/data/log").read() == "x"
"""


def test_a_module_that_is_loaded_anew_is_redirected(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for number in range(2):
        (tmp_path / "subject_loaded_twice.py").write_text(SOURCE + "#" * number)
        sys.modules.pop("subject_loaded_twice", None)
        importlib.invalidate_caches()
        subject = importlib.import_module("subject_loaded_twice")
        crash_test(subject.workload, subject.recovered, faults=False)
    sys.modules.pop("subject_loaded_twice", None)
