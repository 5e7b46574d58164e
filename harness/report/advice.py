"""Advice in lines for a terminal or an assertion message, and as JSON with all keys always present."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.advice.advice import EXIT_CODES, AddedSync, Advice, PresentSync
from harness.advice.structure import MarkDebt, TraceAdvice

ADVICE_SCHEMA: Final = 1

_INDENT: Final = " " * 16

_SHOWN: Final = 8
"""Rows of one kind that a terminal gets; JSON has all."""


def lines(advice: Advice) -> list[str]:
    """The whole advice, the important first; no colours."""
    text = [headline(advice)]
    text += _table("had to be durable", [f"{words} ({source})" for words, source in advice.lacking])
    for added in advice.missing:
        text.append(f"  {'add':<14}{added.text}")
        text += _purpose(added)
    for one in advice.unmendable[:_SHOWN]:
        where = f"workload {one.workload!r}, kill-point {one.kill_point}, {one.profile}"
        text.append(f"  {'no sync mends':<14}{one.complaint.verdict}: {one.complaint.summary} ({where})")
        text.append(_INDENT + one.why)
    if len(advice.unmendable) > _SHOWN:
        text.append(f"{_INDENT}and {len(advice.unmendable) - _SHOWN} more kinds that no sync mends")
    for sync in advice.syncs:
        text.append(f"  {'buys nothing' if sync in advice.superfluous else 'sync':<14}{_present(sync)}")
        text += _purpose(sync)
    text += [f"  {'note':<14}{note}" for note in advice.notes]
    text += [f"  {'error':<14}{error}" for error in advice.errors]
    return text


def headline(advice: Advice) -> str:
    """The answer in one sentence."""
    under = ", ".join(advice.profiles)
    if advice.errors:
        return f"{advice.scenario}: no advice"
    if not advice.violations:
        if advice.interrupted:
            return f"{advice.scenario} under {under}: interrupted before there was an answer"
        sure = "no sync is missing" if advice.complete else "no missing sync was found, not everything was looked at"
        return f"{advice.scenario} under {under}: {sure}"
    states = f"{'' if advice.counted else 'at least '}{advice.violations:,} crash states"
    if not advice.missing:
        return f"{advice.scenario} under {under}: violated in {states}, no sync mends any of it"
    count = len(advice.missing)
    syncs = f"{count} sync{'s' if count > 1 else ''} missing"
    proof = "verified" if advice.verified else "not verified to the end"
    least = "no smaller set does" if advice.smallest and advice.verified else "a smaller set may do"
    rest = "; other violations stay, see below" if advice.unmendable else ""
    return f"{advice.scenario} under {under}: violated in {states}; {syncs} ({proof}; {least}){rest}"


def _present(sync: PresentSync) -> str:
    what = f" ({', '.join(sync.paths)})" if sync.paths and not sync.sync.folder else ""
    return f"{sync.sync}{what}, ran {_times(sync.executions)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _purpose(sync: AddedSync | PresentSync) -> list[str]:
    parts: list[str] = []
    if sync.matters:
        parts.append(f"matters under {', '.join(sync.matters)}")
    if sync.nothing:
        parts.append(f"buys nothing under {', '.join(sync.nothing)}")
    if sync.unknown:
        parts.append(f"not settled under {', '.join(sync.unknown)}")
    text = [_INDENT + "; ".join(parts)] if parts else []
    lost = next(iter(sync.matters.values()), "")
    return [*text, f"{_INDENT}without it: {lost}"] if lost else text


def _table(label: str, rows: Sequence[str]) -> list[str]:
    text = [f"  {label}, and was not: {row}" for row in rows[:_SHOWN]]
    return [*text, f"  … and {len(rows) - _SHOWN} more operations"] if len(rows) > _SHOWN else text


def document(advices: Sequence[Advice], version: str) -> dict[str, Any]:
    """The JSON of `harness explain SCENARIO`."""
    return {
        "schema": ADVICE_SCHEMA,
        "version": version,
        "scenarios": [_scenario(advice) for advice in advices],
    }


def _scenario(advice: Advice) -> dict[str, Any]:
    return {
        "name": advice.scenario,
        "answer": str(advice.answer),
        "exit_code": EXIT_CODES[advice.answer],
        "profiles": list(advice.profiles),
        "panel": list(advice.panel),
        "workloads": list(advice.workloads),
        "violations": advice.violations,
        "counted": advice.counted,
        "complaints": [
            {"verdict": one.verdict, "guarantee": one.guarantee, "summary": one.summary} for one in advice.complaints
        ],
        "lacking": [{"operation": words, "source": source} for words, source in advice.lacking],
        "missing": [_added(one) for one in advice.missing],
        "verified": advice.verified,
        "smallest": advice.smallest,
        "complete": advice.complete,
        "unmendable": [
            {
                "verdict": one.complaint.verdict,
                "guarantee": one.complaint.guarantee,
                "summary": one.complaint.summary,
                "workload": one.workload,
                "profile": one.profile,
                "kill_point": one.kill_point,
                "source": one.source,
                "why": one.why,
                "count": one.count,
            }
            for one in advice.unmendable
        ],
        "syncs": [_sync(one, advice) for one in advice.syncs],
        "superfluous": [str(one.sync) for one in advice.superfluous],
        "notes": list(advice.notes),
        "errors": list(advice.errors),
        "restarts": advice.restarts,
        "wall_s": round(advice.wall_s, 3),
    }


def _added(one: AddedSync) -> dict[str, Any]:
    return {
        "text": one.text,
        "source": str(one.placement.line),
        "file": one.placement.line.file,
        "line": one.placement.line.line,
        "when": one.placement.when,
        "what": one.placement.what,
        "paths": list(one.paths),
        "executions": one.executions,
        **_under(one.matters, one.nothing, one.unknown),
    }


def _sync(one: PresentSync, advice: Advice) -> dict[str, Any]:
    return {
        "source": str(one.sync.line),
        "file": one.sync.line.file,
        "line": one.sync.line.line,
        "folder": one.sync.folder,
        "paths": list(one.paths),
        "executions": one.executions,
        "workloads": list(one.workloads),
        "superfluous": one in advice.superfluous,
        **_under(one.matters, one.nothing, one.unknown),
    }


def _under(matters: Mapping[str, str], nothing: Sequence[str], unknown: Sequence[str]) -> dict[str, Any]:
    return {"matters_under": dict(matters), "nothing_under": list(nothing), "unknown_under": list(unknown)}


def trace_lines(advice: TraceAdvice) -> list[str]:
    """What a trace alone tells: what is not durable at its marks, and the syncs that would make it so."""
    idle = [f"  {'buys nothing':<14}{sync}" for sync in advice.superfluous]
    if not advice.debts:
        return [f"{advice.name} under {advice.profile}: at each mark everything that had happened was durable", *idle]
    marks = f"{len(advice.debts)} of {advice.marks} marks"
    text = [f"{advice.name} under {advice.profile}: at {marks} something that had happened was not durable"]
    for debt in advice.debts[:_SHOWN]:
        text += [f"  {debt.mark} (item {debt.position}): {words} ({source})" for words, source in debt.operations]
    if len(advice.debts) > _SHOWN:
        text.append(f"  … and {len(advice.debts) - _SHOWN} more marks")
    text += [f"  {'add':<14}{one.text}" for one in advice.missing]
    if advice.missing and advice.smallest:
        text.append(_INDENT + "no smaller set makes everything durable at each mark")
    text += [
        f"  {'no sync':<14}can come between {words} ({source}) and the mark" for words, source in advice.unmendable
    ]
    return text + idle


def trace_document(advices: Sequence[TraceAdvice], version: str) -> dict[str, Any]:
    """The JSON of `harness explain TRACE`."""
    return {
        "schema": ADVICE_SCHEMA,
        "version": version,
        "traces": [
            {
                "name": advice.name,
                "profile": advice.profile,
                "marks": advice.marks,
                "debts": [_debt(debt) for debt in advice.debts],
                "missing": [_added(one) for one in advice.missing],
                "smallest": advice.smallest,
                "unmendable": [{"operation": words, "source": source} for words, source in advice.unmendable],
                "superfluous": [str(sync) for sync in advice.superfluous],
            }
            for advice in advices
        ],
    }


def _debt(debt: MarkDebt) -> dict[str, Any]:
    return {
        "mark": debt.mark,
        "position": debt.position,
        "operations": [{"operation": words, "source": source} for words, source in debt.operations],
    }
