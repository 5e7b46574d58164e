"""A store that does not look whether its file is still there and as long as it thinks. No bug of its own.

The seeds that write into the wrong place, or do not know what is in the file, are about that: a writer that looks would
notice at its next record and refuse.
"""

from scenarios.voice_call.manager.store import Store


class UnwatchedStore(Store):
    """Believes its descriptor."""

    def ensure_in_place(self, size: int) -> None:
        """Whatever was synced counts."""
