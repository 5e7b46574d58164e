"""Which events of a long chapter are shown: those that matter for the death, then the last ones."""

from collections.abc import Sequence

import msgspec

from harness.report.story import Chapter, Event


class Gap(msgspec.Struct, frozen=True):
    """A stretch of events that is not shown."""

    count: int


def selected(chapter: Chapter, most: int) -> list[Event | Gap]:
    """At most `most` events in order, with a `Gap` for each stretch between them that was left out.

    First come the operations that were not on the disk and the writes that are on it in part, then what was told to the
    outside last, then the end of the chapter.
    """
    events = chapter.events
    if len(events) <= most:
        return list(events)
    lacking = {one.position for one in chapter.crash.lacking} if chapter.crash is not None else set()
    wanted = [index for index, event in enumerate(events) if event.lane == "operation" and event.position in lacking]
    wanted += [
        index
        for index in range(len(events) - 1, -1, -1)
        if events[index].lane == "world" and events[index].kind in ("acknowledged", "refused", "told")
    ][: most // 4]
    wanted += range(len(events) - 1, -1, -1)
    kept = sorted(list(dict.fromkeys(wanted))[:most])
    return _with_gaps(events, kept)


def _with_gaps(events: Sequence[Event], kept: Sequence[int]) -> list[Event | Gap]:
    shown: list[Event | Gap] = []
    following = 0
    for index in [*kept, len(events)]:
        if index > following:
            shown.append(Gap(index - following))
        if index < len(events):
            shown.append(events[index])
        following = index + 1
    return shown
