"""The profiles are data: every row of the table, with a source, and a clear answer to a wrong name."""

import msgspec
import pytest

from harness.durability.profiles import PROFILES, profile, with_sector_tears

ROWS = {
    # name: (dirent order, atomic rename, data before size, safe rename, append, implied dirent, commit together, tear)
    "process": ("none", "yes", False, False, "free", "no", False, "page"),
    "strict": ("none", "yes", False, False, "free", "no", False, "byte"),
    "ext2": ("none", "no", False, False, "free", "no", False, "sector"),
    "paranoid": ("none", "no", False, False, "free", "no", False, "byte"),
    "ext3-writeback": ("all", "yes", False, False, "free", "fdatasync-if-size-changed", True, "sector"),
    "ext4-writeback": ("all", "yes", False, False, "free", "fdatasync-if-size-changed", True, "sector"),
    "ext3": ("all", "yes", True, True, "ordered", "fdatasync-if-size-changed", True, "sector"),
    "ext4-nodelalloc": ("all", "yes", True, True, "ordered", "fdatasync-if-size-changed", True, "sector"),
    "ext4-documented": ("all", "yes", True, True, "free", "fdatasync-if-size-changed", True, "sector"),
    "ext4": ("all", "yes", False, False, "free", "fdatasync-if-size-changed", True, "sector"),
    "ext4-journal": ("all", "yes", True, True, "total", "fdatasync-if-size-changed", True, "sector"),
    "xfs": ("all", "yes", True, False, "free", "always", True, "sector"),
    "btrfs": ("none", "same-directory", True, False, "free", "always", False, "sector"),
    "btrfs-documented": ("same-directory", "yes", True, True, "free", "always", False, "sector"),
    "freebsd-ufs": ("none", "yes", False, False, "free", "no", False, "byte"),
    "apfs": ("none", "yes", False, False, "free", "no", False, "byte"),
}


def test_there_are_these_profiles_and_no_others() -> None:
    assert set(PROFILES) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_profile_is_its_row(name: str) -> None:
    row = profile(name)
    assert (
        row.dirent_order,
        row.atomic_rename,
        row.data_before_size,
        row.safe_rename,
        row.append,
        row.implied_dirent,
        row.commit_together,
        row.tear,
    ) == ROWS[name]


@pytest.mark.parametrize("name", ROWS)
def test_every_profile_names_itself_and_its_sources(name: str) -> None:
    assert profile(name).name == name
    assert profile(name).summary
    assert profile(name).sources


def test_only_a_killed_process_keeps_the_page_cache() -> None:
    assert [name for name, row in PROFILES.items() if row.medium == "page-cache"] == ["process"]


def test_only_macos_ignores_fsync() -> None:
    assert [name for name, row in PROFILES.items() if not row.sync_persists] == ["apfs"]


def test_each_policy_of_a_failed_sync_has_its_file_systems() -> None:
    others = {name: row.failed_sync for name, row in PROFILES.items() if row.failed_sync != "drop-clean"}
    assert others == {
        "ext4-journal": "late-report",
        "btrfs": "revert",
        "btrfs-documented": "revert",
        "freebsd-ufs": "stay-dirty",
    }


def test_an_unknown_profile_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'zfs'.*process, strict, ext2.*xfs"):
        profile("zfs")


def test_profiles_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        profile("strict").tear = "sector"  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError):
        PROFILES["mine"] = profile("strict")  # type: ignore[index]  # the point of the test


def test_sector_tears_change_nothing_else() -> None:
    strict = profile("strict")
    assert msgspec.structs.replace(with_sector_tears(strict), tear="byte") == strict
