"""A log that cannot be read is taken for a log that is not there: the manager starts with nothing, and says it is well."""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.unwatched_store import UnwatchedStore


class OptimisticStore(UnwatchedStore):
    """Takes every failure for the first start."""

    def read_all(self, fd: int) -> bytes:
        try:
            return super().read_all(fd)
        except OSError as error:
            self._log.warning("load-failed", path=self.path, why=str(error))
            return b""


BUG = SeededBug(
    id="load-error-becomes-empty",
    number=46,
    group="store",
    source="nasty-project/nasty#257; vitali87/croft#157; can1357/oh-my-pi#9915",
    trigger="a read error at a restart",
    expected="lost",
    build=with_parts(store=OptimisticStore),
    workloads=("unreadable-log",),
)
