"""Images with the same names share the paths that kernels resolved; what one life changes is not seen by another."""

import os
from collections.abc import Iterator

import pytest

from harness.disk import DiskImage, File
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import profile
from harness.durability.trees import CrashImage
from harness.frontends.simulated import Kernel, Redirection
from harness.trace import Create, Fsync, Mkdir, Symlink, Write

LOG = 10
LINK = 11
FOLDER = 12


@pytest.fixture(autouse=True)
def redirected() -> Iterator[None]:
    with Redirection.shared():
        yield


def siblings() -> list[CrashImage]:
    """Crash states that differ in the bytes of one file only."""
    walk = CrashStates(DiskImage.with_folders("/data"), profile("strict"))
    data = DiskImage.with_folders("/data").nodes[1].entries["data"]  # type: ignore[union-attr]  # the root is a folder
    items = [
        Create(LOG, data, "log"),
        Symlink(LINK, data, "link", "log"),
        Mkdir(FOLDER, data, "folder"),
        Fsync(data),
        Fsync(1),
        Write(LOG, 0, b"0123456789"),
    ]
    for position, item in enumerate(items):
        walk.feed(position, item)
    return [image for _, image in walk.at().states()]


def content(image: DiskImage, path: str = "/data/log") -> bytes:
    with Kernel(image).activate(), open(path, "rb") as file:
        return file.read()


def test_states_of_one_tree_share_their_places_and_keep_their_bytes() -> None:
    images = siblings()
    assert len(images) > 3
    assert len({id(image.places) for image in images}) == 1
    for image in images:
        expected = image.nodes[LOG]
        assert isinstance(expected, File)
        assert content(image) == content(image, "/data/link") == expected.data
    assert images[0].places


def test_a_life_that_changes_names_leaves_the_others_alone() -> None:
    first, second, *_ = siblings()
    content(first)
    with Kernel(first).activate():
        assert os.path.exists("/data/link")
        os.rename("/data/log", "/data/folder/log")
        os.unlink("/data/link")
        assert not os.path.exists("/data/log")
        assert os.path.exists("/data/folder/log")
    with Kernel(second).activate():
        assert sorted(os.listdir("/data")) == ["folder", "link", "log"]
        assert os.path.exists("/data/log")
        assert not os.path.exists("/data/folder/log")


def test_a_name_that_was_missing_in_one_life_can_be_made_in_another() -> None:
    first, second, *_ = siblings()
    with Kernel(first).activate():
        assert not os.path.exists("/data/new")
    with Kernel(second).activate():
        with open("/data/new", "w") as file:
            file.write("here")
        assert os.path.getsize("/data/new") == 4
    with Kernel(first).activate():
        assert not os.path.exists("/data/new")


def test_relative_paths_follow_the_working_folder_of_their_own_life() -> None:
    first, second, *_ = siblings()
    with Kernel(first).activate():
        os.chdir("/data")
        assert os.path.exists("log")
    with Kernel(second).activate():
        assert not os.path.exists("log")
        os.chdir("/data/folder")
        assert not os.path.exists("log")


def test_files_in_memory_are_not_shared() -> None:
    first, second, *_ = siblings()
    with Kernel(first).activate():
        with open("/tmp/scratch", "w") as file:
            file.write("mine")
        assert os.path.exists("/data/log")
    with Kernel(second).activate():
        assert not os.path.exists("/tmp/scratch")
    with Kernel(first).activate():
        assert os.listdir("/tmp") == []


def test_images_with_other_names_share_nothing() -> None:
    image = DiskImage.with_folders("/data")
    assert image.places is not image.apply(Mkdir(99, 1, "more")).places
