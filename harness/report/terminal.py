"""The screen of a run: live progress on a terminal, plain lines elsewhere, and the summary at the end."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.clock import machine_seconds
from harness.explore.tally import Tally
from harness.gate.outcome import Outcome, Report, ScenarioResult
from harness.gate.progress import Progress
from harness.report.failure import lines

PLAIN_EVERY_S: Final = 5.0
"""Seconds between progress lines where there is no terminal."""

_STYLE: Final = {
    Outcome.HELD: "bold green",
    Outcome.VIOLATION: "bold red",
    Outcome.INCONCLUSIVE: "bold yellow",
    Outcome.ERROR: "bold magenta",
    Outcome.INTERRUPTED: "bold yellow",
}


class ProgressScreen:
    """Shows `Progress`: states, rate, violations, time left. A context manager and a listener of the gate."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self._live: Live | None = None
        self._last = machine_seconds()

    def __enter__(self) -> "ProgressScreen":
        if self.console.is_terminal and not self.quiet:
            # no refresh thread of its own: a second thread and a frozen clock do not mix
            self._live = Live(Text("starting …"), console=self.console, auto_refresh=False, transient=True)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    def __call__(self, progress: Progress) -> None:
        if self.quiet:
            return
        if self._live is not None:
            self._live.update(Text(_line(progress)), refresh=True)
        elif machine_seconds() - self._last >= PLAIN_EVERY_S:
            self._last = machine_seconds()
            self.console.print(_line(progress), highlight=False)


def _line(progress: Progress) -> str:
    left = progress.left_s
    ending = f", about {left:.0f} s left" if left is not None else ""
    checked = progress.checked + progress.under_way
    return (
        f"{progress.scenario}: {progress.tasks_done}/{progress.tasks} pieces, {checked:,} states checked "
        f"({progress.rate:,.0f}/s), {progress.violations} violations so far{ending}"
    )


def summary(
    console: Console,
    report: Report,
    repros: Mapping[int, str],
    verbose: bool = False,
    mends: Mapping[int, Sequence[str]] | None = None,
) -> None:
    """Coverage per scenario and profile, findings, and one last line with the outcome."""
    for result in report.results:
        _coverage(console, result, verbose)
    for result in report.results:
        for finding in result.total.findings:
            repro = repros.get(id(finding))
            text = lines(finding, f"harness replay {repro}" if repro else "", (mends or {}).get(id(finding), ()))
            console.print()
            console.print(Text(f"VIOLATION  {text[0]}", style="bold red"))
            for line in text[1:]:
                console.print(Text(f"  {line}"), soft_wrap=True)
        for finding in result.known:
            told = f"known  {result.name} [{result.profile}]: {finding.verdict}: {finding.summary}"
            console.print(Text(f"{told}  {finding.source}", style="dim"), soft_wrap=True)
        for note in result.total.notes:
            console.print(Text(f"note  {result.name} [{result.profile}]: {note}", style="dim"), soft_wrap=True)
        for reason in result.reasons:
            console.print(Text(f"inconclusive  {result.name} [{result.profile}]: {reason}", style="yellow"))
        for error in result.errors:
            console.print(Text(f"error  {result.name} [{result.profile}]: {error}", style="magenta"))
    console.print()
    checked = sum(r.total.checked + r.total.recovery_checked for r in report.results)
    ending = f"{checked:,} crash states checked in {report.wall_s:.1f} s"
    known = sum(len(result.known) for result in report.results)
    if known:
        ending = f"but for {known:,} known · {ending}"
    console.print(
        Text(f"{report.outcome}", style=_STYLE[report.outcome]), Text(f"· {ending} · exit code {report.exit_code}")
    )


def _coverage(console: Console, result: ScenarioResult, verbose: bool) -> None:
    title = Text(f"{result.name} under {result.profile}", style="bold")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in ("workload", "operations", "kill-points", "legal states", "distinct", "checked", "coverage"):
        table.add_column(column, justify="left" if column in ("workload", "coverage") else "right")
    whole = Tally()
    for name, tally in result.workloads.items():
        _row(table, name, tally)
        operations = whole.operations
        whole.add(tally)
        whole.operations = operations + tally.operations
    if len(result.workloads) > 1:
        _row(table, "all", whole)
    console.print(table)
    full = result.total
    parts: list[str] = []
    if full.recovery_kill_points:  # of any program the recovery is not recorded
        parts.append(f"deaths in recovery: {full.recovery_kill_points:,} kill-points, {full.recovery_checked:,} states")
    if full.faults_planned:
        parts.append(f"faults: {full.faults_planned:,} planned, {full.faults_fired:,} fired, {full.faults_told:,} told")
    if full.double_planned:
        parts.append(f"pairs of faults: {full.double_planned:,} of {full.double_possible:,}")
    if full.recovery_faults_planned:
        told = f"{full.recovery_faults_planned:,} of {full.recovery_faults_possible:,}"
        parts.append(f"faults in recovery: {told}")
    if full.examples:
        parts.append(f"histories: {full.examples:,} with {full.steps:,} steps")
    if result.probes:
        parts.append(f"probes: {len(result.probes) - len(result.missed)} of {len(result.probes)} hit")
    if parts:
        console.print(Text("  " + " · ".join(parts), style="dim"), soft_wrap=True)
    if verbose:
        for name in result.hit:
            console.print(Text(f"  probe {name}: {full.probes[name]:,}", style="dim"))


def _row(table: Table, name: str, tally: Tally) -> None:
    legal = f"{tally.legal:,}" if tally.legal < 10**12 else f"{float(tally.legal):.2e}"
    table.add_row(
        name,
        f"{tally.operations:,}",
        f"{tally.kill_points:,}",
        legal if tally.legal_exact else f"≥ {legal}",
        f"{tally.distinct:,}",
        f"{tally.checked:,}",
        "exhaustive" if tally.exhaustive else "bounded",
    )
