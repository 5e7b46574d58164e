"""The cause of a finding as something that can be compared between runs: line numbers move, the line itself stays."""

import hashlib
import linecache

from harness.explore.tally import Finding


def code_line(finding: Finding) -> str:
    """The text of the line that issued the operation; empty where it cannot be read."""
    source = finding.place
    return linecache.getline(source.file, source.line).strip() if source is not None and source.line else ""


def source_file(finding: Finding) -> str:
    """The name of the file alone: checkouts lie in different folders."""
    return finding.source.partition(":")[0]


def cause_key(scenario: str, finding: Finding) -> str:
    """sha256, in hex, of scenario, verdict, guarantee, and the file and text of the line that issued the operation."""
    parts = (scenario, finding.verdict, finding.guarantee, source_file(finding), code_line(finding))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
