"""The harness' own journal of finished chunks, under its own gate: a chunk that was acknowledged is never done again."""

from scenarios.own_journal.scenario import OwnJournal

__all__ = ["OwnJournal"]
