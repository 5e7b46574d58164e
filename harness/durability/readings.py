"""Readings: what earlier runs asked of the contents of files, and where that led. A tree of questions and answers.

Files are told apart by their place in the tree of names, which the run knows from the start; see `observable` for why
runs that got the same answers do the same.
"""

from collections.abc import Collection
from typing import NamedTuple

from harness.disk import SECTOR
from harness.durability.looks import WHOLE, Look, Span, answer, inode_of, is_known, spans_of
from harness.durability.scenes import file_at
from harness.durability.trees import CrashImage


class Question(NamedTuple):
    """What of the file at this place among those of the tree."""

    file: int
    span: Span


class Reading:
    """All runs that were told the same so far: the question that they ask next, and where each answer leads.

    Without a `next` they read nothing more; `known` is False where no run has been yet.
    """

    __slots__ = ("answers", "known", "next")

    def __init__(self) -> None:
        self.known = False
        self.next: Question | None = None
        self.answers: dict[int, Reading] = {}

    def answer(self, key: int) -> "Reading":
        found = self.answers.get(key)
        if found is None:
            found = self.answers[key] = Reading()
        return found


class Observed:
    """Readings by the shape of the tree. Share one between kill-points where nothing else differs (same ledger, same
    clock): what was observed at the first is not yielded at the second."""

    __slots__ = ("shapes",)

    def __init__(self) -> None:
        self.shapes: dict[int, Reading] = {}

    def root(self, shape: int) -> Reading:
        found = self.shapes.get(shape)
        if found is None:
            found = self.shapes[shape] = Reading()
        return found

    def find(self, image: CrashImage) -> Reading:
        """Where a run on this image leads, as far as it is known."""
        key = image.state_key
        reading = self.shapes.get(key[0]) or self.root(key[0])
        while reading.known and (question := reading.next) is not None:
            told = _answer(image, question)
            reading = reading.answers.get(told) or reading.answer(told)
        return reading

    def learn(self, image: CrashImage, looks: Collection[int | Look]) -> Reading:
        """A run on this image looked at all this, in this order; where that leads."""
        reading = self.shapes.get(image.state_key[0]) or self.root(image.state_key[0])
        files = image.files
        question = reading.next
        if question is not None and _shows_all(image, question):
            # By far the commonest run looks at one file, all of it, and its leaf has been found before it ran.
            leaf = reading.answers.get(image.state_key[question.file + 1])
            if leaf is not None and not leaf.known:
                ino = files[question.file]
                for look in looks:
                    if inode_of(look) != ino:
                        break
                else:
                    leaf.known = True
                    return leaf
        asked: dict[int, list[Span]] = {}
        whole: list[int] = []
        while reading.known:
            question = reading.next
            if question is None:
                return reading
            if _shows_all(image, question):
                whole.append(files[question.file])
            else:
                asked.setdefault(question.file, []).append(question.span)
            told = _answer(image, question)
            reading = reading.answers.get(told) or reading.answer(told)
        left = [look for look in looks if inode_of(look) not in whole] if whole else looks
        for ino, span in spans_of(left, image.nodes) if left else ():
            if ino not in files:
                continue  # it has no name: nobody could have opened it
            file = files.index(ino)
            if file in asked and is_known(span, asked[file], file_at(image.nodes, ino).size):
                continue
            reading.known, reading.next = True, Question(file, span)
            reading = reading.answer(_answer(image, reading.next))
        reading.known = True
        return reading


def _shows_all(image: CrashImage, question: Question) -> bool:
    """Whether the answer is all of the file, its end included."""
    span = question.span
    return span.first == 0 and (
        span is WHOLE or file_at(image.nodes, image.files[question.file]).size < span.last * SECTOR
    )


def _answer(image: CrashImage, question: Question) -> int:
    if _shows_all(image, question):
        return image.state_key[question.file + 1]
    return answer(file_at(image.nodes, image.files[question.file]), question.span)
