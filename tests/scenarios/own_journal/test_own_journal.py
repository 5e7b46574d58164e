"""The journal holds under its own gate; journals that forget one step each are caught."""

import os

import pytest

from harness.gate.gate import Gate
from harness.gate.journal import Journal
from harness.gate.options import Options
from harness.gate.outcome import Outcome
from scenarios.own_journal import OwnJournal


class Hasty(Journal):
    """Answers before the line is on the disk."""

    def _write(self, line):
        self._end += os.write(self._file, line)


class Forgetful(Journal):
    """Leaves half a line where it stands."""

    def _cut_to(self, end, size):
        self._end = size


class Deaf(Journal):
    """Goes on as if the line had been written."""

    def _write(self, line):
        try:
            super()._write(line)
        except OSError:
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND)


def gate(journal, **options):
    scenario = OwnJournal()
    scenario.journal = journal
    return Gate([scenario], Options(jobs=1, **options), local=True).run()


def test_every_acknowledged_chunk_is_read_back_whatever_dies_or_fails():
    report = gate(Journal)
    assert report.outcome == Outcome.HELD, [result.reasons + result.errors for result in report.results]
    assert all(result.total.exhaustive and result.hit == ["torn tail cut"] for result in report.results)
    assert all(result.total.faults_fired == result.total.faults_planned > 100 for result in report.results)


@pytest.mark.parametrize(
    "journal, verdicts",
    [(Hasty, {"lost"}), (Forgetful, {"lost", "unavailable"}), (Deaf, {"swallowed-error", "lost"})],
    ids=["no sync", "no cut", "no error"],
)
def test_a_journal_that_forgets_one_step_is_caught(journal, verdicts):
    report = gate(journal, stop_at="any")
    found = {finding.verdict for result in report.results for finding in result.total.findings}
    assert report.outcome == Outcome.VIOLATION and found & verdicts, found
