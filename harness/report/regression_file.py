"""A saved case as a small pytest file that needs nothing but the subject: what `harness replay --pytest OUT.py` writes."""

import re
import textwrap
from typing import Final

from harness.explore.saved_case import SavedCase, Step
from harness.explore.tally import Finding
from harness.report.failure import died
from harness.repro import ReproError, ReproFile

_WIDTH: Final = 88


def regression_file(file: ReproFile, version: str) -> str:
    """Python source. ReproError for a case of a test that only pytest can run: that test is the regression test."""
    if file.test:
        raise ReproError(f"the case belongs to {file.test}: that test fails on it already, and needs no other")
    case = file.case
    names = "regression_test, step" if case.steps else "regression_test"
    arguments = [repr_of(case.scenario), f"workload={repr_of(case.workload)}", f"profile={repr_of(case.profile)}"]
    arguments += [f"verdict={repr_of(case.verdict)}"]
    kind = kind_of(case)
    if kind != "deaths":
        arguments.append(f"kind={repr_of(kind)}")
    if case.seed:
        arguments.append(f"seed={case.seed}")
    rows = [f"        {argument}," for argument in arguments]
    if case.steps:
        rows += ["        steps=[", *(f"            {_step(one)}," for one in case.steps), "        ],"]
    return "\n".join(
        [
            f'"""{_sentence(f"Found by crash-harness {version}: {_where(file)}")}"""',
            "",
            f"from harness import {names}",
            "",
            "",
            f"def test_{_name(case)}() -> None:",
            *_docstring(file),
            "    regression_test(",
            *rows,
            "    )",
            "",
        ]
    )


def kind_of(case: SavedCase) -> str:
    """What `regression_test` has to try so that the violation of `case` can show."""
    if case.steps:
        return "history"
    if case.plan is not None:
        return "faults"
    return "deaths" if case.deaths else "living"


def repr_of(text: str) -> str:
    """A string as Python source, with double quotes where that needs no escape."""
    plain = repr(text)
    return plain if '"' in text else f'"{plain[1:-1]}"'


def _step(step: Step) -> str:
    arguments = "".join(f", {name}={_literal(value)}" for name, value in step.arguments.items())
    if all(name.isidentifier() for name in step.arguments):
        return f"step({repr_of(step.do)}{arguments})"
    return f"step({repr_of(step.do)}, **{step.arguments!r})"


def _literal(value: object) -> str:
    return repr_of(value) if isinstance(value, str) else repr(value)


def _name(case: SavedCase) -> str:
    words = re.sub(r"[^0-9a-z]+", "_", f"no {case.verdict} in {case.workload} under {case.profile}".lower())
    return words.strip("_")


def _where(file: ReproFile) -> str:
    finding = Finding(
        verdict=file.case.verdict,
        guarantee=file.case.guarantee,
        summary=file.case.summary,
        phase=file.case.phase,
        workload=file.case.workload,
        kill_point=0,
        operation=file.operation,
        source=file.source,
        profiles=file.profiles,
        case=file.case,
    )
    if file.case.steps:
        return f"a random history of {len(file.case.steps)} steps in workload {file.case.workload!r}."
    return f"{died(finding)}."


def _docstring(file: ReproFile) -> list[str]:
    case = file.case
    told = [case.guarantee, f"Seen: {case.summary}"]
    if case.plan is not None:
        told.append(f"The fault: {case.plan.describe()}.")
    if file.operation and not case.steps:
        blamed = f", issued by {file.source}" if file.source else ""
        lead = "" if file.operation.startswith("last") else "not on the disk: "
        told.append(f"The operation to look at, {lead}{file.operation}{blamed}.")
    rows = [row for text in told for row in [*textwrap.wrap(_sentence(text), _WIDTH), ""]][:-1]
    first, *others = rows
    if not others:
        return [f'    """{first}"""']
    return [f'    """{first}', *(f"    {row}".rstrip() for row in others), '    """']


def _sentence(text: str) -> str:
    """Text that a docstring can hold: one line, nothing that cannot be printed, no quote or backslash that means something."""
    flat = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(text.split()))
    return flat.replace("\\", "\\\\").replace('"', "'")
