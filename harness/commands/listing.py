"""`harness list`: what there is to run."""

from pathlib import Path
from typing import Any

import click

from harness.commands.options import found_scenarios, json_option, no_color_option
from harness.commands.output import console, write_json


@click.command(name="list", epilog="\b\nExample:\n  harness list --no-color")
@no_color_option()
@json_option("Write the lists as JSON.")
def listing(no_color: bool, json_file: Path | None) -> None:
    """Scenarios with their workloads, seeded bugs, and durability profiles."""
    from rich.text import Text

    from harness.durability.profiles import PROFILES

    screen = console(no_color, json_file)
    listed: dict[str, Any] = {"scenarios": [], "bugs": [], "profiles": []}
    for scenario in found_scenarios(()):
        workloads = [*scenario.workloads(), *scenario.rehearsals()]
        listed["scenarios"].append({"name": scenario.name, "workloads": workloads})
        screen.print(
            Text(f"scenario {scenario.name}", style="bold"), Text(f"workloads: {', '.join(workloads)}"), soft_wrap=True
        )
        for bug in scenario.bugs():
            listed["bugs"].append(
                {"id": bug.id, "scenario": scenario.name, "expected": bug.expected, "group": bug.group}
            )
            screen.print(f"  bug {bug.id:<40} must be caught as {bug.expected}", soft_wrap=True)
    for name, rules in PROFILES.items():
        listed["profiles"].append({"name": name, "summary": rules.summary})
        screen.print(f"profile {name:<18} {rules.summary}", soft_wrap=True)
    write_json(listed, json_file)
