"""Traces of a program seen from outside: what was there before, whose calls they were, and that others are as ever."""

import msgspec

from harness.disk import DiskImage
from harness.trace import Create, Mkdir, Process, Program, Source, Trace, Write, decode, encode

BASE = (Mkdir(2, 1, "data"), Create(3, 2, "log"), Write(3, 0, b"old\n"))


def test_a_file_tells_what_was_there_before_and_whose_run_it_was():
    trace = Trace(BASE, Program(("writer", "{root}"), -9))
    trace.record(Write(3, 4, b"new\n"), Source("writer", 0, "1st write to log", Process(7, 8, "writer")), 1.0)
    again = decode(encode(trace))
    assert (again.base, again.program, again.sources) == (trace.base, trace.program, trace.sources)
    assert DiskImage.made_by(again.base).read_file("/data/log") == b"old\n"


def test_a_call_without_a_line_is_named_by_its_place():
    assert str(Source("/usr/bin/writer", 0, "1st write to log")) == "writer: 1st write to log"
    assert str(Source("/home/store.py", 7, "open")) == "store.py:7"


def test_a_trace_of_a_scenario_has_the_keys_that_it_always_had():
    trace = Trace()
    trace.record(Create(3, 2, "log"), Source("store.py", 7, "open"), 1.0)
    document = msgspec.json.decode(encode(trace))
    assert set(document) == {"schema", "items", "sources", "times"}
    assert set(document["sources"][0]) == {"file", "line", "function"}
