"""Names for kill-points: where, between what the subject wrote and what it told, a death falls.

The names K0 … K11 are those of the bug catalogue (section 0). A position of a trace can have several: after a write and
before the next one is K3 and K1. K9 is a death during the restart, K11 one during an orderly stop (between the marks
"stopping" and "restarted"). What cannot be told from a trace is not claimed: K1 is any death right before a write,
whether or not the subject has changed its memory by then.
"""

from collections.abc import Sequence
from typing import Final

from harness.trace import Create, Fdatasync, Fsync, Item, Mark, Mkdir, Rename, SyncAll, Truncate, Write

MEANING: Final = {
    "K0": "before anything",
    "K1": "before a write",
    "K2": "inside a write",
    "K3": "after a write, before its sync",
    "K4": "after the sync, before the folder's",
    "K5": "durable, not yet acknowledged",
    "K6": "right after an acknowledgement",
    "K7": "after a side effect, before its result is written",
    "K8": "a side effect was sent, its answer has not arrived",
    "K9": "during the restart",
    "K10": "while a file is being replaced",
    "K11": "during an orderly stop",
}


def names_at(items: Sequence[Item], position: int, *, began: int = 0, boot_end: int = 0) -> tuple[str, ...]:
    """The names of the kill-point before `items[position]`, in order.

    `began` and `boot_end` bound the boot of a restart that is itself being killed (equal for none).
    """
    names: list[str] = []
    before = items[position - 1] if position > 0 else None
    after = items[position] if position < len(items) else None
    last = _last_change(items, position)
    if last is None and not any(isinstance(item, Mark) for item in items[:position]):
        names.append("K0")
    if isinstance(after, Write):
        names.append("K1")
    if isinstance(last, Write | Truncate):
        names.append("K3")
    if isinstance(last, Fsync | Fdatasync) and _folder_sync_follows(items, position, last.ino):
        names.append("K4")
    if isinstance(after, Mark) and after.kind in ("acknowledged", "printed") and not isinstance(last, Write):
        names.append("K5")
    if isinstance(before, Mark):
        if before.kind in ("acknowledged", "printed"):
            names.append("K6")
        elif before.kind == "effect":
            names.append("K8")
    if isinstance(after, Write) and _effect_precedes(items, position):
        names.append("K7")
    if began < boot_end and began <= position <= boot_end:
        names.append("K9")
    if _replacing(items, position):
        names.append("K10")
    if _stopping(items, position):
        names.append("K11")
    return tuple(sorted(names, key=lambda name: int(name[1:])))


def explained(names: Sequence[str]) -> str:
    """ "K3 after a write, before its sync; K1 …" for a reader; "" without names."""
    return "; ".join(f"{name} {MEANING[name]}" for name in names)


def _last_change(items: Sequence[Item], position: int) -> Item | None:
    return next((item for item in reversed(items[:position]) if not isinstance(item, Mark)), None)


def _folder_sync_follows(items: Sequence[Item], position: int, synced: int) -> bool:
    """Does a sync of a folder, in which something was made before, come before the next acknowledgement?"""
    folders = {
        item.new_parent if isinstance(item, Rename) else item.parent
        for item in items[:position]
        if isinstance(item, Create | Mkdir | Rename)
    }
    for item in items[position:]:
        if isinstance(item, Mark) and item.kind in ("acknowledged", "printed"):
            return False
        if isinstance(item, Fsync):
            return item.ino in folders and item.ino != synced
        if isinstance(item, SyncAll):
            return True
    return False


def _effect_precedes(items: Sequence[Item], position: int) -> bool:
    """Is the latest thing before `position`, marks of the answer aside, a side effect?"""
    for item in reversed(items[:position]):
        if not isinstance(item, Mark):
            return False
        if item.kind == "effect":
            return True
    return False


def _replacing(items: Sequence[Item], position: int) -> bool:
    """Is a file that will take another one's name being written, or has it just taken it?"""
    for index, item in enumerate(items):
        if isinstance(item, Rename) and item.replaced is not None and not item.exchanged:
            made = next(
                (at for at, one in enumerate(items[:index]) if isinstance(one, Create) and one.ino == item.ino), None
            )
            synced = next(
                (
                    at
                    for at in range(index, len(items))
                    if isinstance(one := items[at], Fsync) and one.ino == item.new_parent
                ),
                len(items),
            )
            if made is not None and made < position <= synced:
                return True
    return False


def _stopping(items: Sequence[Item], position: int) -> bool:
    for item in reversed(items[:position]):
        if isinstance(item, Mark) and item.kind in ("stopping", "restarted"):
            return item.kind == "stopping"
    return False
