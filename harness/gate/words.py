"""What a piece of work that failed is called in a report."""

from harness.gate.task import SubjectUnfit, Task
from harness.own_lines import place_of


def sentence(error: BaseException) -> str:
    """An error of the subject's scenario (its contract, its world) or of the harness in one line, with its place."""
    from harness.explore.life import WorldEscape

    if isinstance(error, SubjectUnfit | WorldEscape):
        return str(error)
    return f"{type(error).__name__}: {error}{place_of(error)}"


def chunk(task: Task) -> str:
    """The name of a chunk: "crash inbound under strict, part 3 of 6"."""
    return f"{task.kind} {task.workload} under {task.profile}, part {task.part + 1} of {max(task.parts, task.part + 1)}"
