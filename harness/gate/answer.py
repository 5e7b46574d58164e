"""What a worker process says: what came of its task, or how far it is. JSON, between any two processes.

Not pickled: a default that was pickled is another object than the default, msgspec writes it out, and the digest by which
a case is named would depend on the process that found it.
"""

import msgspec

from harness.explore.tally import Tally


class Answer(msgspec.Struct, frozen=True):
    """A tally, or the sentence that says why there is none.

    Not `final`: what a task has come to so far, told at each new finding, and now and then; its findings are not
    confirmed yet.
    """

    tally: Tally | None = None
    error: str = ""
    final: bool = True

    @property
    def done(self) -> Tally | str:
        return self.tally if self.tally is not None else self.error


def answer_of(done: Tally | str) -> Answer:
    return Answer(error=done) if isinstance(done, str) else Answer(done)


def encode(answer: Answer) -> bytes:
    return msgspec.json.encode(answer)


def decode(data: bytes) -> Answer:
    return msgspec.json.decode(data, type=Answer)
