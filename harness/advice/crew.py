"""Who does the pieces: this process, or workers of which each keeps its own workloads from first to last."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final

from harness.advice.workshop import AdviceWorkshop, Done, Piece, perform
from harness.gate.interruption import asked, held_back
from harness.gate.pool import worker_pool

NextPiece = Callable[[str], Piece | None]
"""The piece to do for a workload, asked right before it begins; None: there is nothing left to do for it."""


class Crew:
    """Does one piece for each workload, in order; `workers` 1 is this process. A context manager."""

    def __init__(self, workers: int, workshop: AdviceWorkshop) -> None:
        self._workers: Final = workers
        self._workshop: Final = workshop
        self._pools: list[concurrent.futures.ProcessPoolExecutor] = []
        self._owner: dict[str, int] = {}
        self._stack: Final = contextlib.ExitStack()

    def __enter__(self) -> "Crew":
        if self._workers > 1:
            self._pools = [self._stack.enter_context(worker_pool(1)) for _ in range(self._workers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def each(self, workloads: Sequence[str], next_piece: NextPiece) -> Iterator[Done]:
        """What comes of each workload's piece, as it is done; ends early where the run is interrupted."""
        if not self._pools:
            for workload in workloads:
                if asked():
                    return
                piece = next_piece(workload)
                if piece is not None:
                    yield self._workshop.perform(piece)
            return
        yield from self._in_workers(workloads, next_piece)

    def _in_workers(self, workloads: Sequence[str], next_piece: NextPiece) -> Iterator[Done]:
        waiting = list(workloads)
        busy: dict[concurrent.futures.Future[Done], tuple[int, str]] = {}
        while (waiting or busy) and not asked():
            for number, pool in enumerate(self._pools):
                while all(number != owner for owner, _ in busy.values()):
                    mine = next((name for name in waiting if self._owner.get(name, number) == number), None)
                    if mine is None:
                        break
                    waiting.remove(mine)
                    piece = next_piece(mine)
                    if piece is not None:
                        self._owner[mine] = number
                        with held_back():
                            busy[pool.submit(perform, piece)] = (number, mine)
            done, _ = concurrent.futures.wait(busy, timeout=0.25, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                _, workload = busy.pop(future)
                error = future.exception()
                yield future.result() if error is None else Done(workload, error=f"{workload}: {error}")
