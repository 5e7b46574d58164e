"""A finding in plain lines: what was broken, where it died, what was not on the disk, who issued it, how to replay."""

from collections.abc import Sequence

from harness.durability.profiles import PROFILES
from harness.explore.history import DIE
from harness.explore.kill_points import explained
from harness.explore.tally import Finding

_LABEL = 10


def lines(finding: Finding, command: str, mend: Sequence[str] = ()) -> list[str]:
    """The finding for a terminal or an assertion message, the important first; no colours. `mend` are its last lines."""
    rows = [("", f"{finding.verdict}: {finding.summary}"), ("broken", finding.guarantee)]
    rows.append(("died", died(finding)))
    if finding.where:
        rows.append(("that is", explained(finding.where)))
    if finding.fault:
        rows.append(("fault", finding.fault))
    if finding.operation:
        rows.append((_label_of_operation(finding), finding.operation))
    if finding.source:
        rows.append(("issued by", finding.source))
    if finding.profiles:
        rows.append(("possible", exposed(finding)))
    if finding.count > 1:
        rows.append(("cases", f"{finding.count} with this cause"))
    if command:
        rows.append(("replay", command))
    return [*(f"{label:<{_LABEL}}{text}" if label else text for label, text in rows), *mend]


def _label_of_operation(finding: Finding) -> str:
    if finding.case.steps:
        return "steps"
    return "operation" if finding.operation.startswith("last") else "missing"


def died(finding: Finding) -> str:
    deaths, steps = finding.case.deaths, finding.case.steps
    where = f"in workload {finding.workload!r}"
    if steps:
        count = sum(step.do == DIE for step in steps)
        fatal = f"with {count} {'death' if count == 1 else 'deaths'} in it" if count else "in which nobody died"
        return f"in a random history of {len(steps)} {'step' if len(steps) == 1 else 'steps'} {fatal}, {where}"
    if not deaths:
        return f"nobody died: the living subject is wrong at the end, {where}"
    names = [
        f"{'process killed' if death.state.profile == 'process' else 'power cut'} at kill-point {death.position}"
        for death in deaths
    ]
    phase = {"restarted": "seen right after the restart", "settled": "seen after settling"}.get(
        finding.phase, "seen after one more kill and restart"
    )
    return f"{', then '.join(names)} {where}; {phase}"


def exposed(finding: Finding) -> str:
    """ "ext4, xfs; not btrfs": under which profiles this very disk may be found."""
    others = [name for name in PROFILES if name not in finding.profiles]
    text = ", ".join(finding.profiles)
    return f"{text}; not {', '.join(others)}" if others else f"{text} (everywhere)"
