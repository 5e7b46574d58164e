"""How a simulated process ends before its time, and what it may not do.

All three derive from `BaseException`: a subject that catches `Exception` must not survive its own death.
"""


class ProcessDied(BaseException):
    """The process died here: its disk is frozen, and nothing it still does has an effect."""


class SubjectHung(BaseException):
    """More calls than one life is allowed: the subject makes no progress."""


class ClosedWorldError(BaseException):
    """The subject reached for something the simulated disk cannot see; the message names the frontend that can."""


class OutsideImage(Exception):
    """A path that the image lacks, and the real machine has: for callers that may read the real one.

    `path` is the absolute path. Never leaves this package.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
