"""Requests of the kernel, made by hand: what no kernel is needed to know. Runs on machines without FUSE."""

import errno
import os
import pickle
import stat
from typing import Any

import pytest

from harness.disk import DiskImage, Folder
from harness.faults import Fault, FaultPlan, Injector
from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.calls import Calls
from harness.frontends.mounted.choke_point import ChokePoint, Frozen, ordinal
from harness.frontends.mounted.file_calls import FILE_BYTES_MAX
from harness.frontends.mounted.inodes import InodeTable, items_making
from harness.frontends.mounted.listing import entries_from, listing
from harness.trace import ROOT, Create, Mark, Mkdir, Rename, Symlink, Trace, Truncate, Unlink, Write


class Requests:
    """A mounted folder without a mount: each method is one request."""

    def __init__(self, image: DiskImage | None = None, **options: Any) -> None:
        self.trace = Trace()
        self.choke = ChokePoint(self.trace, **options)
        self.choke.begin()
        self.table = InodeTable(image)
        self.calls = Calls(self.table, self.choke)

    def ask(self, opcode: wire.Opcode, node: int, body: bytes = b"") -> bytes:
        return self.calls.answers[opcode](node, 0, 0, 0, memoryview(body))

    def create(self, name: str, node: int = ROOT, flags: int = os.O_RDWR) -> tuple[int, int]:
        """(the new node, a handle on it)"""
        body = wire.CREATE_IN.pack(flags, 0o100644, 0o022, 0) + name.encode() + b"\0"
        reply = self.ask(wire.Opcode.CREATE, node, body)
        handle, _, _ = wire.OPEN_OUT.unpack(reply[-wire.OPEN_OUT.size :])
        return wire.ENTRY_OUT.unpack_from(reply)[0], handle

    def write(self, node: int, handle: int, data: bytes, offset: int = 0, flags: int = os.O_RDWR) -> int:
        body = wire.WRITE_IN.pack(handle, offset, len(data), 0, 0, flags, 0) + data
        landed: int = wire.WRITE_OUT.unpack(self.ask(wire.Opcode.WRITE, node, body))[0]
        return landed

    def read(self, node: int, handle: int, size: int = 4096, offset: int = 0) -> bytes:
        return self.ask(wire.Opcode.READ, node, wire.READ_IN.pack(handle, offset, size, 0, 0, 0, 0))

    def name(self, opcode: wire.Opcode, name: str, node: int = ROOT) -> bytes:
        return self.ask(opcode, node, name.encode() + b"\0")

    def mkdir(self, name: str, node: int = ROOT) -> int:
        reply = self.ask(wire.Opcode.MKDIR, node, wire.MKDIR_IN.pack(0o755, 0o022) + name.encode() + b"\0")
        made: int = wire.ENTRY_OUT.unpack_from(reply)[0]
        return made

    def rename(self, old: str, new: str, flags: int = 0, node: int = ROOT, new_node: int = ROOT) -> bytes:
        body = wire.RENAME2_IN.pack(new_node, flags, 0) + old.encode() + b"\0" + new.encode() + b"\0"
        return self.ask(wire.Opcode.RENAME2, node, body)

    def allocate(self, node: int, handle: int, offset: int, length: int, mode: int) -> None:
        self.ask(wire.Opcode.FALLOCATE, node, wire.FALLOCATE_IN.pack(handle, offset, length, mode, 0))

    def release(self, node: int, handle: int) -> None:
        self.ask(wire.Opcode.RELEASE, node, wire.RELEASE_IN.pack(handle, 0, 0, 0))

    def forget(self, node: int, lookups: int = 100) -> None:
        self.ask(wire.Opcode.FORGET, node, wire.FORGET_IN.pack(lookups))


def refused(call: Any, *arguments: Any) -> int:
    with pytest.raises(OSError) as error:
        call(*arguments)
    return error.value.errno or 0


def test_layouts_have_the_sizes_of_the_kernels_header():
    sizes = {
        "REQUEST": 40, "REPLY": 16, "INIT_OUT": 64, "ATTRIBUTES": 88, "ENTRY_OUT": 40, "ATTR_OUT": 16, "OPEN_OUT": 16,
        "SETATTR_IN": 88, "MKNOD_IN": 16, "CREATE_IN": 16, "READ_IN": 40, "WRITE_IN": 40, "FALLOCATE_IN": 32,
        "STATFS_OUT": 80, "RENAME2_IN": 16, "DIRENT": 24, "RELEASE_IN": 24, "FSYNC_IN": 16,
    }  # fmt: skip
    assert {name: getattr(wire, name).size for name in sizes} == sizes


def test_what_is_recorded_makes_the_tree_that_is_shown():
    folder = Requests()
    node, handle = folder.create("a")
    folder.write(node, handle, b"hello", 3)
    inner = folder.mkdir("d")
    folder.rename("a", "b", new_node=inner)
    folder.ask(wire.Opcode.SYMLINK, ROOT, b"l\0target\0")
    assert folder.trace.items == [
        Create(2, ROOT, "a"),
        Write(2, 3, b"hello"),
        Mkdir(3, ROOT, "d"),
        Rename(2, ROOT, "a", 3, "b"),
        Symlink(4, ROOT, "l", "target"),
    ]
    assert DiskImage.made_by(folder.trace.items).digest() == folder.table.image().digest()
    assert [str(source) for source in folder.trace.sources][:2] == ["kernel: 1st create of a", "kernel: 1st write to a"]


def test_a_removed_file_goes_when_nobody_holds_it():
    folder = Requests()
    node, handle = folder.create("a")
    folder.write(node, handle, b"hello")
    folder.name(wire.Opcode.UNLINK, "a")
    assert folder.read(node, handle) == b"hello"
    folder.release(node, handle)
    assert node in folder.table.by_number, "the kernel still knows it"
    folder.forget(node)
    assert node not in folder.table.by_number
    assert folder.trace.items[-1] == Unlink(2, ROOT, "a")


def test_nothing_is_made_in_a_folder_that_was_removed():
    folder = Requests()
    inner = folder.mkdir("d")
    folder.name(wire.Opcode.RMDIR, "d")
    assert refused(folder.create, "a", inner) == errno.ENOENT
    assert refused(folder.mkdir, "e", inner) == errno.ENOENT


def test_renames_that_cannot_be_are_refused_and_not_recorded():
    folder = Requests()
    folder.create("file")
    inner = folder.mkdir("d")
    folder.mkdir("e", inner)
    before = len(folder.trace)
    assert refused(folder.rename, "missing", "x") == errno.ENOENT
    assert refused(folder.rename, "file", "d") == errno.EISDIR
    assert refused(folder.rename, "d", "file") == errno.ENOTDIR
    assert refused(folder.rename, "d", "x", 0, ROOT, inner) == errno.EINVAL
    assert refused(folder.rename, "file", "d", 1) == errno.EEXIST
    assert refused(folder.rename, "file", "x", 2) == errno.ENOENT
    assert refused(folder.rename, "file", "x", 4) == errno.EINVAL
    folder.mkdir("f")
    assert refused(folder.rename, "f", "d") == errno.ENOTEMPTY
    assert len(folder.trace) == before + 1


def test_a_hole_is_punched_as_zeros_and_only_where_there_was_something():
    folder = Requests()
    node, handle = folder.create("a")
    folder.write(node, handle, b"abcdef")
    folder.allocate(node, handle, 1, 2, 1 | 2)
    folder.allocate(node, handle, 1, 2, 1 | 2)
    folder.allocate(node, handle, 0, 100, 1)
    folder.allocate(node, handle, 4, 8, 16)
    assert folder.trace.items[2:] == [Write(2, 1, b"\0\0"), Write(2, 4, b"\0\0"), Truncate(2, 12)]
    assert refused(folder.allocate, node, handle, 0, 1, 8) == errno.EOPNOTSUPP


def test_a_file_that_would_not_fit_into_memory_is_refused():
    folder = Requests()
    node, handle = folder.create("a")
    assert refused(folder.write, node, handle, b"x", FILE_BYTES_MAX) == errno.EFBIG
    assert refused(folder.allocate, node, handle, 0, FILE_BYTES_MAX + 1, 0) == errno.EFBIG


def test_an_appending_write_goes_to_the_end_whatever_the_kernel_believes():
    folder = Requests()
    node, handle = folder.create("a", flags=os.O_WRONLY | os.O_APPEND)
    folder.write(node, handle, b"abc")
    folder.write(node, handle, b"def", 99, os.O_WRONLY | os.O_APPEND)
    assert folder.read(node, handle) == b"abcdef"


def test_times_before_1970_are_kept():
    folder = Requests()
    node, _ = folder.create("a")
    fields = wire.SET_MTIME
    moment = (2**64 - 2, 0, 5)
    body = wire.SETATTR_IN.pack(fields, 0, 0, 0, 0, 0, moment[0], 0, 0, moment[2], 0, 0, 0, 0, 0, 0)
    folder.ask(wire.Opcode.SETATTR, node, body)
    assert folder.table[node].mtime == -2 * 10**9 + 5


def test_a_listing_is_handed_out_in_parts():
    folder = Requests()
    for number in range(40):
        folder.create(f"file-{number:02}")
    lines = listing(folder.table, folder.table[ROOT], 0)
    at, names = 0, []
    while part := entries_from(lines, at, 200):
        assert len(part) <= 200 and len(part) % 8 == 0
        while part:
            _, at, length, kind = wire.DIRENT.unpack_from(part)
            names.append(part[24 : 24 + length].decode())
            assert kind in (stat.S_IFDIR >> 12, stat.S_IFREG >> 12)
            part = part[24 + length + -(24 + length) % 8 :]
    assert names == [".", "..", *(f"file-{number:02}" for number in range(40))]


def test_a_group_is_handed_down_by_a_folder_that_says_so():
    table = InodeTable()
    table[ROOT].mode |= stat.S_ISGID
    table[ROOT].gid = 77
    made = table.new(stat.S_IFDIR | 0o755, 1, 2, (ROOT, "d"))
    assert (made.gid, bool(made.mode & stat.S_ISGID)) == (77, True)


def test_an_image_is_made_again_by_its_items():
    folder = Requests()
    inner = folder.mkdir("d")
    node, handle = folder.create("a", inner)
    folder.write(node, handle, b"x" * 1000)
    folder.ask(wire.Opcode.LINK, ROOT, wire.LINK_IN.pack(node) + b"same\0")
    folder.ask(wire.Opcode.SYMLINK, ROOT, b"l\0d/a\0")
    image = folder.table.image()
    again = DiskImage.made_by(items_making(image))
    assert again.digest() == image.digest()
    assert isinstance(again.lookup("/d"), Folder)
    assert InodeTable(again).image().digest() == image.digest()


def test_a_table_is_taken_along_with_its_modes():
    folder = Requests()
    node, _ = folder.create("a")
    folder.table[node].mode = stat.S_IFREG | 0o755
    again = pickle.loads(pickle.dumps(folder.table))
    assert again[node].mode == stat.S_IFREG | 0o755


def test_what_was_said_before_an_operation_stands_before_it():
    said = [Mark("printed", "before")]
    folder = Requests()

    def witness() -> list[Mark]:
        return [said.pop()] if said else []

    folder.choke.witnesses.append(witness)
    folder.create("a")
    assert folder.trace.items == [Mark("printed", "before"), Create(2, ROOT, "a")]


def test_at_a_kill_point_nothing_happens_any_more():
    folder = Requests(dies_before=1)
    node, handle = folder.create("a")
    for _ in range(2):
        with pytest.raises(Frozen):
            folder.write(node, handle, b"x")
    with pytest.raises(Frozen):
        folder.mkdir("d")
    folder.choke.witnesses.append(lambda: [Mark("printed", "too late")])
    folder.choke.end()
    assert folder.trace.items == [Create(2, ROOT, "a")]


def test_a_call_that_fails_is_numbered_and_changes_nothing():
    injector = Injector(FaultPlan((Fault(("mkdir",), call=2, errno="ENOSPC"),)))
    folder = Requests(injector=injector)
    folder.create("a")
    assert refused(folder.mkdir, "d") == errno.ENOSPC
    folder.mkdir("d")
    assert [(call.number, call.kind, call.position) for call in folder.choke.calls] == [
        (1, "open", 0),
        (2, "mkdir", 1),
        (3, "mkdir", 1),
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (121, "121st")]
)
def test_places_are_counted_in_words(number, text):
    assert ordinal(number) == text
