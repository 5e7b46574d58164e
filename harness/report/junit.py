"""JUnit XML: a suite per scenario and profile, a case per workload that held, and a case per finding.

What is inconclusive is an error there: a CI that only knows green and red must not show it green. There is no standard;
element and attribute names are those that Jenkins' xunit schema and junitparser know.
"""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree

from harness.explore.tally import Finding
from harness.gate.outcome import Report, ScenarioResult
from harness.report.failure import lines
from harness.report.places import place_of

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0, section 2.2, has no place for, however it is escaped."""


def junit(report: Report, repros: Mapping[int, str]) -> str:
    """The whole document. `repros` maps id(finding) to the path of its repro file."""
    root = ElementTree.Element("testsuites", name="crash-harness", time=f"{report.wall_s:.3f}")
    for result in report.results:
        root.append(_suite(result, repros))
    if report.interrupted:
        case = _case(ElementTree.SubElement(root, "testsuite", name="the run"), "the run", "it ends by itself")
        ElementTree.SubElement(case, "error", type="interrupted", message="interrupted: not everything was looked at")
    for suite in root:
        for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(kind, str(len(suite.findall(f".//{tag}"))))
    for kind in ("tests", "failures", "errors"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(result: ScenarioResult, repros: Mapping[int, str]) -> ElementTree.Element:
    name = f"{result.name}.{result.profile}"
    suite = ElementTree.Element("testsuite", name=_text(name), time=f"{result.wall_s:.3f}")
    broken = {finding.workload for finding in result.total.findings}
    for workload, tally in result.workloads.items():
        if workload not in broken:
            _case(suite, name, workload).set("time", f"{tally.wall_s:.3f}")
    for finding in result.total.findings:
        _failed(_case(suite, name, f"{finding.workload}: {finding.verdict}"), finding, repros)
    for kind, texts in (("inconclusive", result.reasons), ("error", result.errors)):
        for text in texts:
            ElementTree.SubElement(_case(suite, name, kind), "error", type=kind, message=_text(text))
    return suite


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_text(classname), name=_text(name), time="0.000")


def _failed(case: ElementTree.Element, finding: Finding, repros: Mapping[int, str]) -> None:
    place = place_of(finding)
    if place is not None:
        case.set("file", _text(place.file))
        case.set("line", str(place.line))
    repro = repros.get(id(finding), "")
    failure = ElementTree.SubElement(case, "failure", type=finding.verdict, message=_text(finding.summary))
    failure.text = _text("\n".join(lines(finding, f"harness replay {repro}" if repro else "")))


def _text(text: str) -> str:
    """What XML cannot hold, as Python writes it."""
    return _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], text)
