"""The failed-sync scenario: events go to a `Journal` on disks whose syncs fail, under the policies of all file systems.

The client takes an event for safe once `append` has answered True, and sends the others again when the disk is well.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from harness.scenario import Case, Guarantee, Phase, Run, Scenario, SeededBug, World
from harness.verdict import VERDICTS, Observed, Violation, acked_not_durable, lost, unexpected
from harness.verdict.vocabulary import violation
from scenarios.failed_sync.journal import Event, Journal

FOLDER: Final = "/data"
COUNT: Final = 4
NOTE: Final = "n" * 180
"""Makes two records fill less than a sector and three more: some share a sector, some cross one."""

TRIES: Final = 3
"""How often a refused event is sent again: an error that was still to be told comes after the disk is well."""


class FailedSync(Scenario[World, Journal, Observed]):
    """`journal`: the class of the subject; a seeded bug is another one."""

    name = "failed_sync"
    profiles: ClassVar[tuple[str, ...]] = (
        *("process", "strict", "ext4", "xfs"),  # pages left clean
        *("ext4-journal", "btrfs", "freebsd-ufs"),  # told late, put back, still dirty
    )

    def __init__(self, journal: type[Journal] = Journal) -> None:
        self.journal = journal

    def workloads(self) -> Sequence[str]:
        return ("appends", "restarted")

    def world(self, run: Run, workload: str) -> World:
        return World()

    def boot(self, run: Run, world: World) -> Journal:
        return self.journal(FOLDER)

    def steps(self, run: Run, world: World, subject: Journal, workload: str) -> Journal:
        for number in range(COUNT):
            if workload == "restarted" and number == COUNT // 2:
                run.mark("stopping")
                subject.close()
                subject = self.boot(run, world)
                run.mark("restarted")
            _send(run, subject, {"id": f"e{number + 1}", "note": NOTE})
        return subject

    def observe(self, run: Run, world: World, subject: Journal) -> Observed:
        return Observed(applied=dict.fromkeys(subject.events, 1))

    def settle(self, run: Run, world: World, subject: Journal) -> None:
        for _ in range(TRIES):
            for name in run.ledger.attempted:
                if name not in run.ledger.acknowledged:
                    _send(run, subject, {"id": name, "note": NOTE})

    def stop(self, run: Run, world: World, subject: Journal) -> None:
        subject.close()

    def contract(self) -> Sequence[Guarantee]:
        return CONTRACT

    def bugs(self) -> Sequence[SeededBug]:
        from scenarios.failed_sync.bugs import BUGS

        return BUGS


def _send(run: Run, journal: Journal, event: Event) -> None:
    run.mark("attempted", event["id"])
    run.mark("acknowledged" if journal.append(event) else "refused", event["id"])


Seen = Case[World, Observed]


def _acknowledged_is_there(case: Seen) -> list[Violation]:
    """An error that nobody was told of is the reason, where there is one."""
    if case.observed is None:
        return []
    missing = acked_not_durable(case.at_death, case.observed)
    if case.fault_fired and not case.ledger.refused and not case.ledger.told:
        return [violation("swallowed-error", f"{one.summary}: no error was told", one.subject) for one in missing]
    return missing


def _acknowledged_stays(case: Seen) -> list[Violation]:
    return lost(case.ledger, case.observed) if case.observed is not None else []


def _nothing_is_invented(case: Seen) -> list[Violation]:
    return unexpected(case.ledger, case.observed) if case.observed is not None else []


def _a_healthy_disk_takes_all(case: Seen) -> list[Violation]:
    refused = [name for name in case.ledger.attempted if name not in case.ledger.acknowledged]
    return [violation("unavailable", f"{name} is still refused when the disk is well again", name) for name in refused]


def _recovering_twice_changes_nothing(case: Seen) -> list[Violation]:
    if case.observed is None or case.previous is None or case.observed == case.previous:
        return []
    before, after = ", ".join(case.previous.applied), ", ".join(case.observed.applied)
    return [violation("not-idempotent", f"one restart shows {before or 'nothing'}, the next {after or 'nothing'}")]


CONTRACT: Final = (
    Guarantee(
        "acknowledged-is-there",
        VERDICTS["acked-not-durable"],
        _acknowledged_is_there,
        frozenset({Phase.RESTARTED}),
    ),
    Guarantee("acknowledged-stays", VERDICTS["lost"], _acknowledged_stays, frozenset({Phase.SETTLED, Phase.AGAIN})),
    Guarantee("nothing-is-invented", VERDICTS["misattributed"], _nothing_is_invented),
    Guarantee(
        "a-healthy-disk-takes-all",
        VERDICTS["unavailable"],
        _a_healthy_disk_takes_all,
        frozenset({Phase.CLEAN, Phase.SETTLED}),
    ),
    Guarantee(
        "recovering-twice", VERDICTS["not-idempotent"], _recovering_twice_changes_nothing, frozenset({Phase.AGAIN})
    ),
)
