"""A case of any program (`harness crash`, `harness fault`) as a story: its trace up to the death, and the disk found.

Nothing is run: a saved case holds its trace. What the checker said is the finding's summary, or a new answer.
"""

from harness.anyprogram.case_file import CaseFile, run_of_case
from harness.report.retelling import chapter_of
from harness.report.story import Story


def story_of_check(case: CaseFile, said: tuple[str, str] | None = None, *, matches: bool = True) -> Story:
    """The story of a saved case. `said`: (verdict, summary) of a new answer; None for the saved one.

    CaseError where the parts of the case do not fit each other.
    """
    run, image = run_of_case(case)
    end = min(case.state.position, run.end)
    chapter = chapter_of(
        "recorded run", run.base, run.items[:end], run.sources, run.trace.times, (), 0, case.state, image
    )
    found = case.found
    verdict, summary = said if said is not None else (found.verdict, found.summary)
    return Story(
        verdict=found.verdict,
        guarantee=f"The checker accepts the disk after a death: {case.check}",
        summary=found.summary,
        scenario=case.name,
        workload=case.name,
        seed=0,
        phase="checked",
        profile=case.state.profile,
        fault="",
        operation=found.operation,
        source=found.source,
        profiles=found.profiles,
        steps=(),
        chapters=(chapter,),
        told=((("checked", verdict, summary),) if verdict != "held" else ()),
        shows=verdict == found.verdict,
        matches=matches,
    )
