"""A job summary in Markdown: outcome, coverage, and each finding with the command that replays it.

Texts of a subject are written as numeric character references wherever they are not plain words: CommonMark (0.31,
section 2.5) reads such a reference as text, never as markup.
"""

from collections.abc import Mapping

from harness.explore.tally import Finding, Tally
from harness.gate.outcome import Outcome, Report, ScenarioResult
from harness.report.failure import died, exposed
from harness.report.places import place_of

_SIGNS = {
    Outcome.HELD: "✅",
    Outcome.VIOLATION: "❌",
    Outcome.INCONCLUSIVE: "⚠️",
    Outcome.ERROR: "💥",
    Outcome.INTERRUPTED: "⚠️",
}


def markdown(report: Report, repros: Mapping[int, str]) -> str:
    """The whole text. `repros` maps id(finding) to the path of its repro file."""
    rows = [
        f"## {_SIGNS[report.outcome]} crash-harness: {report.outcome}",
        "",
        "| scenario | profile | outcome | kill-points | legal states | distinct | checked | coverage | faults fired |",
        "|---|---|---|--:|--:|--:|--:|---|--:|",
        *(_coverage(result) for result in report.results),
        "",
    ]
    for result in report.results:
        for finding in result.total.findings:
            rows += _finding(result, finding, repros)
        rows += [f"- **inconclusive** {_plain(result.name)}: {_plain(text)}" for text in result.reasons]
        rows += [f"- **error** {_plain(result.name)}: {_plain(text)}" for text in result.errors]
    return "\n".join(rows).rstrip() + "\n"


def _coverage(result: ScenarioResult) -> str:
    whole = Tally()
    for tally in result.workloads.values():
        whole.add(tally)
    legal = f"{whole.legal:,}" if whole.legal < 10**12 else f"{float(whole.legal):.2e}"
    cells = [
        _plain(result.name),
        _plain(result.profile),
        str(result.outcome),
        f"{whole.kill_points:,}",
        legal if whole.legal_exact else f"≥ {legal}",
        f"{whole.distinct:,}",
        f"{whole.checked:,}",
        "exhaustive" if whole.exhaustive and result.workloads and not result.errors else "bounded",
        f"{result.total.faults_fired:,} of {result.total.faults_planned:,}",
    ]
    return f"| {' | '.join(cells)} |"


def _finding(result: ScenarioResult, finding: Finding, repros: Mapping[int, str]) -> list[str]:
    place = place_of(finding)
    source = f"{place.file}:{place.line}" if place is not None else finding.source
    rows = [
        ("broken", finding.guarantee),
        ("died", died(finding)),
        ("fault", finding.fault),
        ("missing", finding.operation),
        ("issued by", source),
        ("possible under", exposed(finding)),
        ("cases", f"{finding.count:,}" if finding.count > 1 else ""),
    ]
    repro = repros.get(id(finding), "")
    heading = f"### {_plain(finding.verdict)}: {_plain(finding.summary)}"
    told = [f"- {label}: {_plain(text)}" for label, text in rows if text]
    where = f"- scenario: {_plain(result.name)}, profile {_plain(result.profile)}"
    return [heading, "", where, *told, *([f"- replay: {_plain(f'harness replay {repro}')}"] if repro else []), ""]


def _plain(text: str) -> str:
    """Text that no Markdown reader takes for anything else; line ends become spaces."""
    return "".join(_character(one) for one in " ".join(text.split()))


def _character(one: str) -> str:
    if one.isalnum() or one in " ,.;/=?'":
        return one
    # NUL and lone surrogates have no reference of their own (CommonMark 2.3, 2.5).
    return f"&#{ord(one)};" if one.isprintable() else ascii(one)[1:-1].replace("\\", "&#92;")
