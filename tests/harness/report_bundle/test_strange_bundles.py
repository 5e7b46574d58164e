"""Bundles that somebody has tampered with, at random: a sentence, or a bundle; never anything else."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "report_html"))
import command_line
import report_samples as samples

from harness.report.bundle import save_bundle
from harness.report.opened_bundle import BundleError, image_of, open_bundle, text_in, world_of

FILES = ("state.json", "ledger.json", "repro.json")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("../../etc/passwd"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = save_bundle(samples.told_findings(samples.run_of())[0], tmp_path_factory.mktemp("bundle"))
    return folder, {name: (folder / name).read_bytes() for name in FILES}


def places(value, so_far=()):
    yield so_far
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*so_far, key))


def changed(value, place, new):
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = changed(value[place[0]], place[1:], new)
    return copy


def looked_through(folder):
    """Everything that a reader does with a bundle short of running its scenario."""
    try:
        opened = open_bundle(folder)
        text_in(opened, "timeline.txt")
        image_of(opened).digest()
        world_of(opened)
    except BundleError:
        return


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_value_changed_anywhere_is_read_or_refused(whole, data):
    folder, contents = whole
    name = data.draw(st.sampled_from(FILES))
    document = json.loads(contents[name])
    place = data.draw(st.sampled_from(list(places(document))))
    (folder / name).write_text(json.dumps(changed(document, place, data.draw(VALUES))))
    try:
        looked_through(folder)
    finally:
        (folder / name).write_bytes(contents[name])


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_bytes_changed_anywhere_are_read_or_refused(whole, data):
    folder, contents = whole
    name = data.draw(st.sampled_from(FILES))
    raw = contents[name]
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 40)))
    (folder / name).write_bytes(raw[:start] + data.draw(st.binary(max_size=40)) + raw[end:])
    try:
        looked_through(folder)
    finally:
        (folder / name).write_bytes(raw)


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_tampered_bundle_is_shown_and_judged_without_a_traceback(whole, tmp_path_factory, data):
    folder, contents = whole
    name = data.draw(st.sampled_from(FILES))
    document = json.loads(contents[name])
    place = data.draw(st.sampled_from([one for one in places(document) if one]))
    copy = tmp_path_factory.mktemp("copy") / folder.name
    shutil.copytree(folder, copy)
    (copy / name).write_text(json.dumps(changed(document, place, data.draw(VALUES))))
    assert command_line.asked("judge", copy).exit_code in (0, 1, 2, 4)
    assert command_line.asked("show", copy, "--verbose").exit_code in (0, 2)
    shutil.rmtree(copy.parent)
