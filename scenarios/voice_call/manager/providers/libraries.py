"""Libraries that only real providers need (extra `serve`): imported when one is made, and missed in one sentence."""


class LibraryMissing(ValueError):
    """A provider was asked for whose library is not installed."""

    def __init__(self, library: str, purpose: str) -> None:
        super().__init__(f"{purpose} need the library {library!r}; run: pip install 'crash-harness[serve]'")
