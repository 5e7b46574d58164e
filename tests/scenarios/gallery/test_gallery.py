"""The gallery holds, in the form in which it is read; and each of its mistakes is found, where it was made."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

import scenarios.gallery
from harness.cli import main
from scenarios.gallery import job_queue, key_value_store, session_file

FOLDER = Path(scenarios.gallery.__file__).parent
LONGEST = 59


def test_of(program: ModuleType) -> Callable[..., None]:
    (found,) = [value for name, value in vars(program).items() if name.startswith("test_")]
    assert callable(found)
    return found  # type: ignore[no-any-return]  # a test function of that module


test_of.__test__ = False  # type: ignore[attr-defined]  # it is none itself


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("program", [key_value_store, job_queue, session_file])
def test_it_holds(program: ModuleType) -> None:
    test_of(program)()


@pytest.mark.parametrize(
    "program, says, line",
    [
        (key_value_store, "JSONDecodeError", "out.flush()"),
        (job_queue, "the job that was put after the restart is lost", "os.write(file, line)"),
        (session_file, "a session that was ended is active again", "self.file.unlink()"),
    ],
)
def test_its_mistake_is_found_where_it_was_made(program: ModuleType, says: str, line: str) -> None:
    with pytest.raises(AssertionError) as failure:
        test_of(program)(program.Mistaken)
    text = str(failure.value)
    assert says in text.splitlines()[0]
    source = Path(str(program.__file__)).read_text().splitlines()
    issued = text.partition(f"issued by {Path(str(program.__file__)).name}:")[2].split()[0]
    assert line in source[int(issued) - 1]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("[a-z]*.py")), ids=lambda file: file.stem)
def test_it_runs_from_the_command_line_and_is_short(file: Path) -> None:
    result = CliRunner().invoke(main, ["run", str(file), "--jobs", "1", "--profile", "ext4", "--profile", "process"])
    assert result.exit_code == 0, result.output
    assert len(file.read_text().splitlines()) <= LONGEST


def test_all_of_it_is_tried_here() -> None:
    assert {file.stem for file in FOLDER.glob("[a-z]*.py")} == {"key_value_store", "job_queue", "session_file"}
