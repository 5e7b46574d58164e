"""JUnit XML, SARIF, Markdown and GitHub annotations of one run, read by those who read them elsewhere."""

import json
from pathlib import Path

import junitparser
import pytest
import sarif_pydantic
from html5lib import parseFragment
from markdown_it import MarkdownIt

from harness.explore.saved_case import SavedCase
from harness.explore.tally import Finding, Tally
from harness.gate.outcome import Report, ScenarioResult
from harness.report.github import annotations
from harness.report.junit import junit
from harness.report.markdown import markdown
from harness.report.sarif import sarif
from harness.trace import Source

HOSTILE = "</failure>]]><script>alert(1)</script> | `x` [a](javascript:b) **b**\n::error::mine\x00\x1b[31m\u202e %0A <!-- @you"


def finding(summary: str = "event 7 is gone", line: int = 41) -> Finding:
    case = SavedCase("file.py", "inbound", 0, "strict", "lost", "not-lost", summary, "restarted", ())
    return Finding(
        verdict="lost",
        guarantee="An acknowledged event is there after a restart.",
        summary=summary,
        phase="restarted",
        workload="inbound",
        kill_point=9,
        operation="write 60 bytes at 0 to /data/calls.jsonl",
        source=f"store.py:{line}",
        profiles=("strict", "ext4"),
        case=case,
        place=Source(str(Path.cwd() / "app" / "store.py"), line, "append"),
    )


def run_with(*findings: Finding, reasons: tuple[str, ...] = (), errors: tuple[str, ...] = ()) -> Report:
    swept = {"inbound": Tally(operations=12, kill_points=20, legal=99, distinct=50, checked=40), "outbound": Tally()}
    total = Tally(findings=list(findings), faults_planned=7, faults_fired=6, faults_told=6)
    result = ScenarioResult(
        "voice_call", "strict", swept, total, reasons=list(reasons), errors=list(errors), wall_s=1.5
    )
    return Report(0, ("strict",), [result], wall_s=1.5)


def test_junit_has_a_case_per_workload_and_per_finding() -> None:
    told = finding()
    read = junitparser.JUnitXml.fromstring(junit(run_with(told), {id(told): ".harness/x.repro.json"}).encode())
    (suite,) = read
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("voice_call.strict", 2, 1, 0)
    by_name = {case.name: case for case in suite}
    assert by_name["outbound"].is_passed
    (failure,) = by_name["inbound: lost"].result
    assert (failure.type, failure.message) == ("lost", "event 7 is gone")
    assert "harness replay .harness/x.repro.json" in failure.text
    assert by_name["inbound: lost"]._elem.get("file") == "app/store.py"


def test_junit_is_never_green_where_the_run_is_not() -> None:
    read = junitparser.JUnitXml.fromstring(junit(run_with(reasons=("a probe was missed",)), {}).encode())
    (suite,) = read
    assert suite.errors == 1
    read = junitparser.JUnitXml.fromstring(junit(run_with(errors=("it raises",)), {}).encode())
    assert next(iter(read)).errors == 1
    stopped = run_with()
    stopped.interrupted = True
    assert junitparser.JUnitXml.fromstring(junit(stopped, {}).encode()).errors == 1


def test_sarif_names_the_line_and_keeps_its_fingerprint_when_the_code_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    prints = []
    for moved in (0, 3):
        (tmp_path / "app" / "store.py").write_text("\n" * (40 + moved) + "    os.write(fd, line)\n")
        told = finding(line=41 + moved)
        log = sarif_pydantic.Sarif.model_validate_json(sarif(run_with(told), "1.0", {}))
        (run,) = log.runs
        (result,) = run.results
        place = result.locations[0].physical_location
        assert (place.artifact_location.uri, place.region.start_line) == ("app/store.py", 41 + moved)
        assert run.tool.driver.rules[result.rule_index].id == result.rule_id
        prints.append(result.partial_fingerprints)
        import linecache

        linecache.clearcache()
    assert prints[0] == prints[1]


def test_sarif_of_an_inconclusive_run_says_so() -> None:
    document = json.loads(sarif(run_with(reasons=("a probe was missed",)), "1.0", {}))
    (invocation,) = document["runs"][0]["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 3)
    assert "a probe was missed" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    sarif_pydantic.Sarif.model_validate(document)


def test_markdown_is_a_table_and_a_heading_per_finding() -> None:
    told = finding()
    html = MarkdownIt("commonmark").enable("table").render(markdown(run_with(told), {id(told): "a_b.repro.json"}))
    tree = parseFragment(html, namespaceHTMLElements=False)
    cells = ["".join(cell.itertext()) for cell in tree.iter("td")]
    assert cells == ["voice_call", "strict", "violation", "20", "99", "50", "40", "exhaustive", "6 of 7"]
    assert ["".join(heading.itertext()) for heading in tree.iter("h3")] == ["lost: event 7 is gone"]
    listed = ["".join(item.itertext()) for item in tree.iter("li")]
    assert "issued by: app/store.py:41" in listed
    assert "replay: harness replay a_b.repro.json" in listed


def test_an_annotation_points_to_the_line() -> None:
    told = finding()
    (line,) = annotations(run_with(told), {})
    assert line.startswith(
        "::error file=app/store.py,line=41,title=lost in voice_call [strict]::lost: event 7 is gone%0A"
    )


@pytest.mark.parametrize("place", ["summary", "operation"])
def test_a_hostile_text_stays_text(place: str) -> None:
    import msgspec

    told = msgspec.structs.replace(finding(), **{place: HOSTILE})
    report = run_with(told)
    xml = junitparser.JUnitXml.fromstring(junit(report, {}).encode())
    assert len(list(next(iter(xml)))) == 2
    assert "<script>" in next(iter(xml.iterchildren(junitparser.TestSuite)))._elem.find(".//failure").text
    (command,) = annotations(report, {})  # the runner looks for a command at the beginning of a line
    assert "\n" not in command and "\r" not in command and "%0A::error::mine" in command and "%250A" not in command[:60]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown(report, {}))
    tree = parseFragment(html, namespaceHTMLElements=False)
    assert not {element.tag for element in tree.iter() if isinstance(element.tag, str)} & {
        "script",
        "a",
        "strong",
        "code",
    }
    text = "".join(tree.itertext())
    assert "<script>alert(1)</script> | `x` [a](javascript:b) **b** ::error::mine" in text
    assert "\u202e" not in text and "\x00" not in text and "\x1b" not in text
    sarif_pydantic.Sarif.model_validate_json(sarif(report, "1.0", {}))
