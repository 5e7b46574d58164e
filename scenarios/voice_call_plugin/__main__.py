"""`python -m scenarios.voice_call_plugin [VARIANT]`: fetch the plugin, record it, sweep the recording, tell what broke."""

import sys
import tempfile
from pathlib import Path

import click

from harness.durability.profiles import PROFILES
from scenarios.voice_call_plugin.package import (
    RELEASE,
    VARIANTS,
    PatchError,
    Unavailable,
    Variant,
    cache_folder,
    fetched,
)
from scenarios.voice_call_plugin.sweep import (
    PROMISES,
    CommandFailed,
    Failed,
    Finding,
    Judged,
    Recording,
    failed,
    judged,
    recorded,
)


@click.command()
@click.argument("variant", type=click.Choice(VARIANTS), default=VARIANTS[0])
@click.option("--promise", "promises", type=click.Choice(PROMISES), multiple=True, help="Only these. [default: all]")
@click.option("--profile", "profiles", multiple=True, default=("process", "strict"), show_default=True)
@click.option("--bound", type=click.IntRange(min=1), default=8, show_default=True, help="Most disks per kill-point.")
@click.option("--call", "calls", type=click.IntRange(min=1), multiple=True, help="Let the N-th call fail instead.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for trace and saved cases.")
def main(
    variant: Variant,
    promises: tuple[str, ...],
    profiles: tuple[str, ...],
    bound: int,
    calls: tuple[int, ...],
    out: Path | None,
) -> None:
    """Sweep the voice-call plugin as it was published, or with its append flushed.

    With --call no death is swept: that call fails, in each way in which it may, and the process is killed afterwards.

    Exit codes: 0 held, 1 violation, 3 the package cannot be fetched here, 4 a command failed.
    """
    folder = (out or Path(tempfile.mkdtemp(prefix="voice-call-plugin-"))).absolute()
    broken = False
    try:
        package = fetched(cache_folder())
        recording = recorded(package, variant, folder)
        click.echo(f"{RELEASE}, {variant}: {_recording(recording)}")
        for call in calls:
            failure = failed(package, variant, promises or PROMISES[:2], call, folder)
            broken |= bool(failure.findings)
            click.echo(_failed(failure))
        for promise in () if calls else promises or PROMISES:
            result = judged(package, recording, (promise,), profiles=profiles, bound=bound)
            broken |= bool(result.findings)
            click.echo(_result(result))
    except Unavailable as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(3)
    except (PatchError, CommandFailed) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    click.echo(f"saved cases: harness replay {folder / 'cases'}/FILE")
    sys.exit(1 if broken else 0)


def _recording(recording: Recording) -> str:
    told = f"{recording.trace.operation_count} operations, {len(recording.trace.marks())} lines told"
    late = len(recording.overtaken)
    return f"{told}; {late} of {len(recording.appends)} appends reached the log after a later one" if late else told


def _failed(failure: Failed) -> str:
    ways = ", ".join(f"{number} {how}" for how, number in sorted(failure.behaviours.items()))
    head = (
        f"call {failure.call} fails, {', '.join(failure.promises)}: {'BROKEN' if failure.findings else 'held'} ({ways})"
    )
    return "\n".join([head, *(f"  {finding}" for finding in failure.findings)])


def _result(result: Judged) -> str:
    head = [
        f"{', '.join(result.promises)} under {one.profile}: {'BROKEN' if result.broken_under(one.profile) else 'held'} "
        f"({one.checked:,} of {one.distinct:,} distinct states checked, {'exhaustive' if one.exhaustive else 'bounded'})"
        for one in result.coverage
    ]
    return "\n".join([*head, *(line for finding in result.findings for line in _finding(finding))])


def _finding(finding: Finding) -> list[str]:
    place = f" ({finding.source})" if finding.source else ""
    possible = "under every profile" if set(PROFILES) <= set(finding.profiles) else ", ".join(finding.profiles)
    at_death = (
        [f"    by then   acknowledged and not yet written: asked for at {finding.asked_at}"] if finding.asked_at else []
    )
    return [
        f"  {finding.summary.partition(': ')[2]}",
        f"    died      after the line {finding.told_last!r}, kill-point {finding.kill_point}; states like it: {finding.cases}",
        *at_death,
        f"    operation {finding.operation}{place}",
        f"    possible  {possible}",
        f"    replay    {Path(finding.repro).name}",
    ]


if __name__ == "__main__":
    main()
