"""One question put to many scenarios: which syncs are missing, with what each scenario says for itself filled in."""

from collections.abc import Sequence
from typing import Final

import msgspec

from harness.advice.advice import EXIT_CODES, Advice
from harness.advice.advisor import Request, Say, advise
from harness.explore.recording import AnyScenario

DEFAULT_PROFILES: Final = ("strict",)
"""A killed process loses nothing from the disk: only power cuts ask for syncs."""

OUTCOMES: Final = (130, 4, 1, 3, 0)
"""Exit codes, the one that wins first."""


class UnknownWorkload(ValueError):
    """A scenario was asked for a workload that it does not have."""


def advise_all(
    found: Sequence[AnyScenario], asked: Request, *, profiles: tuple[str, ...], seed: int | None, say: Say
) -> list[Advice]:
    """Advice for each scenario, up to the first that was interrupted.

    Without `profiles` or a `seed`, each scenario's own, or the defaults; they replace those of `asked`.
    UnknownWorkload for a workload that one of them does not have.
    """
    advices: list[Advice] = []
    for scenario in found:
        known = list(scenario.workloads())
        for name in asked.workloads:
            if name not in known:
                raise UnknownWorkload(f"--workload {name!r}: {scenario.name} has {', '.join(known)}")
        own = tuple(name for name in getattr(scenario, "profiles", ()) if name != "process")
        request = msgspec.structs.replace(
            asked,
            profiles=profiles or own or DEFAULT_PROFILES,
            seed=seed if seed is not None else getattr(scenario, "seed", 0),
        )
        advices.append(advise(scenario, request, say))
        if advices[-1].interrupted:
            break
    return advices


def exit_code(advices: Sequence[Advice]) -> int:
    """The worst of all: interrupted, error, missing, inconclusive, nothing missing."""
    codes = {EXIT_CODES[advice.answer] for advice in advices}
    return next((code for code in OUTCOMES if code in codes), 0)
