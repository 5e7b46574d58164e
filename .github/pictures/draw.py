"""Draws the README's two pictures: `python .github/pictures/draw.py` in the project's root; rich exports them as SVG."""

import tempfile
from pathlib import Path

from rich.console import Console

from harness.gate.gate import Gate
from harness.gate.options import Options
from harness.report.repro_files import save_all
from harness.report.terminal import summary
from harness.report.timeline import show
from harness.repro import load, replay
from harness.subjects import find

FOLDER = Path(__file__).parent


def main() -> None:
    console = Console(record=True, width=150, force_terminal=True)
    report = Gate(find("voice_call"), Options()).run()
    summary(console, report, {})
    console.save_svg(str(FOLDER / "run.svg"), title="harness run voice_call")

    with tempfile.TemporaryDirectory() as out:
        found = Gate(
            find("voice_call/parent-dir-not-synced"), Options(jobs=1, stop_at="lost", faults=False, examples=0)
        ).run()
        repros = save_all(found, Path(out))
        file = load(Path(min(repros.values(), key=lambda name: "lost" not in name)))
        console = Console(record=True, width=150, force_terminal=True)
        show(console, replay(file))
        console.save_svg(str(FOLDER / "replay.svg"), title="harness replay .harness/lost-….repro.json")


if __name__ == "__main__":
    main()
