"""Disk images: operations, sharing, identity, export and storage."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk import DiskImage, File, Folder
from harness.stored_image import ImageFileError, decode_image, encode_image
from harness.trace import Create, Link, Mkdir, Rename, Rmdir, Symlink, Truncate, Unlink, Write

DATA = DiskImage.with_folders("/data")


def with_file(content: bytes = b"") -> DiskImage:
    return DATA.apply(Create(3, 2, "log")).apply(Write(3, 0, content))


def test_an_image_is_not_changed_by_what_is_applied_to_it():
    before = with_file(b"one")
    after = before.apply(Write(3, 3, b"two"))
    assert before.read_file("/data/log") == b"one"
    assert after.read_file("/data/log") == b"onetwo"


def test_versions_of_a_log_share_one_buffer():
    one = with_file(b"one")
    two = one.apply(Write(3, 3, b"two"))
    assert one.nodes[3].buffer is two.nodes[3].buffer


def test_a_version_that_was_appended_to_twice_keeps_both_futures_apart():
    one = with_file(b"one")
    two, other = one.apply(Write(3, 3, b"AAA")), one.apply(Write(3, 3, b"BBB"))
    assert two.read_file("/data/log") == b"oneAAA"
    assert other.read_file("/data/log") == b"oneBBB"


def test_a_write_beyond_the_end_leaves_zeros():
    assert with_file(b"a").apply(Write(3, 4, b"b")).read_file("/data/log") == b"a\0\0\0b"


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 1500), st.binary(min_size=1, max_size=700)),
            st.tuples(st.just("truncate"), st.integers(0, 2000), st.just(b"")),
        ),
        max_size=12,
    )
)
def test_the_key_of_a_content_is_that_of_its_bytes(changes):
    file, model = File(bytearray()), bytearray()
    for kind, place, data in changes:
        if kind == "write":
            file = file.write(place, data)
            model.extend(bytes(max(0, place - len(model))))
            model[place : place + len(data)] = data
        else:
            file = file.truncate(place)
            del model[place:]
            model.extend(bytes(place - len(model)))
        if place % 3 == 0:
            assert file.key == File(bytes(model)).key  # now and then: the key is worked out from an older one's
    assert file.data == bytes(model)
    assert file.key == File(bytes(model)).key


def test_identity_sees_names_types_bytes_targets_and_hard_links():
    base = with_file(b"x")
    copy = base.apply(Create(4, 2, "two")).apply(Write(4, 0, b"x"))
    linked = base.apply(Link(3, 2, "two"))
    images = [
        base,
        copy,
        linked,
        base.apply(Mkdir(4, 2, "two")),
        base.apply(Symlink(4, 2, "two", "log")),
        base.apply(Symlink(4, 2, "two", "/log")),
        base.apply(Rename(3, 2, "log", 2, "two")),
        base.apply(Unlink(3, 2, "log")),
        base.apply(Truncate(3, 0)),
    ]
    assert len({image.identity() for image in images}) == len(images)
    assert len({image.digest() for image in images}) == len(images)


def test_identity_does_not_see_inode_numbers_nor_nameless_inodes():
    one = (
        DATA.apply(Create(7, 2, "log")).apply(Write(7, 0, b"x")).apply(Create(9, 2, "gone")).apply(Unlink(9, 2, "gone"))
    )
    assert one.identity() == with_file(b"x").identity()


def test_an_exchange_swaps_two_names():
    image = with_file(b"a").apply(Create(4, 2, "other")).apply(Write(4, 0, b"b"))
    image = image.apply(Rename(3, 2, "log", 2, "other", replaced=4, exchanged=True))
    assert (image.read_file("/data/log"), image.read_file("/data/other")) == (b"b", b"a")


def test_a_rename_over_a_name_takes_its_place():
    image = with_file(b"new").apply(Create(4, 2, "old")).apply(Rename(3, 2, "log", 2, "old", replaced=4))
    assert image.lookup("/data/log") is None
    assert image.read_file("/data/old") == b"new"


def test_export_and_load_are_inverse(tmp_path):
    image = (
        with_file(b"content")
        .apply(Mkdir(4, 2, "folder"))
        .apply(Link(3, 4, "same"))
        .apply(Symlink(5, 4, "pointer", "../log"))
        .apply(Mkdir(6, 4, "empty"))
    )
    image.export(tmp_path)
    assert (tmp_path / "data/folder/same").stat().st_nlink == 2
    assert os.readlink(tmp_path / "data/folder/pointer") == "../log"
    assert DiskImage.load(tmp_path).identity() == image.identity()


def test_a_removed_folder_is_gone():
    image = DATA.apply(Mkdir(3, 2, "sub")).apply(Rmdir(3, 2, "sub"))
    assert image.identity() == DATA.identity()


def test_an_operation_that_does_not_fit_the_disk_is_an_error():
    with pytest.raises(TypeError, match="inode 2 is a Folder"):
        DATA.apply(Write(2, 0, b"x"))


def test_a_stored_image_reads_back():
    image = with_file(bytes(range(256))).apply(Symlink(4, 2, "link", "log"))
    assert decode_image(encode_image(image)).identity() == image.identity()


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (b"[]", "not a disk image"),
        (b'{"1": {}}', "inode 1 is empty"),
        (b'{"1": {"data": ""}}', "inode 1 is no folder"),
        (b'{"1": {"entries": {"..": 2}}, "2": {"data": ""}}', "not a file name"),
        (b'{"1": {"entries": {"a/b": 2}}, "2": {"data": ""}}', "not a file name"),
        (b'{"1": {"entries": {"a": 3}}}', "absent"),
        (b'{"1": {"entries": {"a": 2}}, "2": {"entries": {"b": 2}}}', "two parents"),
        (b'{"1": {"entries": {}}, "2": {"entries": {"b": 3}}, "3": {"entries": {"a": 2}}}', "contains itself"),
        (b'{"1": {"entries": {"a": 1}}}', "two parents"),
    ],
)
def test_a_stored_image_from_a_stranger_is_checked(stored, complaint):
    with pytest.raises(ImageFileError, match=complaint):
        decode_image(stored)


def test_folders_are_made_with_their_parents():
    image = DiskImage.with_folders("/a/b/c", "/a/d")
    assert isinstance(image.lookup("/a/b/c"), Folder)
    assert isinstance(image.lookup("/a/d"), Folder)
