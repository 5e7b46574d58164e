"""The guardian: a process beside the harness that leaves nothing behind, whatever becomes of the harness.

`main` runs in an interpreter of its own, with one end of a socket. It mounts, starts the program and unmounts when it
is told to; and when the socket ends, because the harness was killed or is done, it kills every process that descends from
what it started, and unmounts. It is the reaper of its descendants (PR_SET_CHILD_SUBREAPER), so a daemon that detached
itself is found as well; it leads a session of its own, so what kills the harness' process group does not kill it.

Imports nothing of the harness but its neighbour, and little of Python: it starts once for each command.
"""

import array
import ctypes
import errno
import json
import os
import select
import signal
import socket
import time
from typing import Any

from . import seccomp_filter

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PATIENCE_S = 10.0
"""How long killed processes may take to be gone."""

MESSAGE_BYTES_MAX = 8 * 2**20

_libc = ctypes.CDLL(None, use_errno=True)


class Guardian:
    """Listens to the harness, and reaps."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.mounts: dict[str, str] = {}  # folder -> path of fusermount3
        self.mounting: set[int] = set()
        self.program = 0
        self.program_token = 0

    def run(self) -> None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        woken, wakes = os.pipe()
        for end in (woken, wakes):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        poll.register(woken, select.POLLIN)
        try:
            while True:
                ready = dict(poll.poll())
                if woken in ready:
                    os.read(woken, 4096)
                    self.reap()
                if self.channel.fileno() in ready and not self.obey():
                    return
        finally:
            self.kill_all()
            for folder in list(self.mounts):
                self.unmount(folder)

    def obey(self) -> bool:
        """One message; False when there are no more to come."""
        try:
            data, ancillary, _, _ = self.channel.recvmsg(
                MESSAGE_BYTES_MAX, socket.CMSG_SPACE(4 * array.array("i").itemsize)
            )
        except ConnectionError:
            return False
        if not data:
            return False
        given = array.array("i")
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                given.frombytes(content[: len(content) - len(content) % given.itemsize])
        try:
            message = json.loads(data)
            answer = getattr(self, "do_" + message["do"])(message, list(given))
            self.tell({**answer, "token": message["token"]})
        except ConnectionError:
            return False
        finally:
            for descriptor in given:
                os.close(descriptor)
        return True

    def tell(self, answer: dict[str, Any]) -> None:
        self.channel.send(json.dumps(answer).encode())

    # -- what it is told to do -------------------------------------------------------------------------------------

    def do_mount(self, message: dict[str, Any], given: list[int]) -> dict[str, Any]:
        """Start fusermount3, which hands the open /dev/fuse through the first of `given`; the second takes its errors."""
        folder, tool = message["folder"], message["tool"]
        self.mounts[folder] = tool
        pid = os.fork()
        if pid == 0:
            try:
                os.set_inheritable(given[0], True)
                os.dup2(given[1], 1)
                os.dup2(given[1], 2)
                env = {**os.environ, "_FUSE_COMMFD": str(given[0])}
                os.execve(tool, [tool, "-o", message["options"], "--", folder], env)
            except OSError as error:
                os.write(given[1], str(error).encode())
            finally:
                os._exit(127)
        self.mounting.add(pid)
        return {"said": "mounting"}

    def do_spawn(self, message: dict[str, Any], given: list[int]) -> dict[str, Any]:
        """Start the program in a process group of its own.

        `given`: its standard input, output and error, and a socket that takes the listener of its filter.
        """
        failed, fails = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(failed)
                os.setpgid(0, 0)
                _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)
                listener = seccomp_filter.install()
                if listener is not None:
                    socket.send_fds(socket.socket(fileno=given[3]), [b"!"], [listener])
                for standard, descriptor in enumerate(given[:3]):
                    os.dup2(descriptor, standard)
                if message["cwd"] is not None:
                    os.chdir(message["cwd"])
                os.execvpe(message["words"][0], message["words"], message["env"])
            except OSError as error:
                os.write(fails, str(error.errno or errno.EINVAL).encode())
            finally:
                os._exit(127)
        os.close(fails)
        with os.fdopen(failed, "rb") as pipe:
            problem = pipe.read()
        if problem:
            os.waitpid(pid, 0)
            return {"said": "not started", "errno": int(problem)}
        self.program, self.program_token = pid, message["token"]
        return {"said": "started", "pid": pid}

    def do_kill(self, message: dict[str, Any], given: list[int]) -> dict[str, Any]:
        """Kill every descendant; how many there were."""
        return {"said": "killed", "processes": self.kill_all()}

    def do_unmount(self, message: dict[str, Any], given: list[int]) -> dict[str, Any]:
        return {"said": "unmounted", "gone": self.unmount(message["folder"])}

    # -- processes -------------------------------------------------------------------------------------------------

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self.mounting.discard(pid)
            if pid == self.program:
                self.program = 0
                self.tell({"said": "exited", "status": os.waitstatus_to_exitcode(status), "token": self.program_token})

    def kill_all(self) -> int:
        """Until no descendant is left; the number of those that were still alive."""
        seen: set[int] = set()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            alive = descendants() - self.mounting
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            seen |= alive
            try:
                self.reap()
            except ConnectionError:
                self.program = 0
            if not descendants() - self.mounting:
                break
            time.sleep(0.001)
        return len(seen)

    def unmount(self, folder: str) -> bool:
        """Take the folder's mount away, whoever still uses it. False where it stays."""
        tool = self.mounts.pop(folder, None)
        until = time.monotonic() + PATIENCE_S
        while self.mounting and time.monotonic() < until:
            try:
                self.reap()
            except ConnectionError:
                break
            time.sleep(0.001)
        while tool is not None and is_mounted(folder) and time.monotonic() < until:
            pid = os.fork()
            if pid == 0:
                try:
                    quiet = os.open(os.devnull, os.O_RDWR)
                    for standard in (0, 1, 2):
                        os.dup2(quiet, standard)
                    os.execv(tool, [tool, "-u", "-z", "-q", "--", folder])
                finally:
                    os._exit(127)
            os.waitpid(pid, 0)
            if is_mounted(folder):
                time.sleep(0.01)
        return not is_mounted(folder)


def is_mounted(folder: str) -> bool:
    """Whether a mount of ours lies on the folder; asks the mount table, for the folder itself may not answer."""
    return any(" fuse.harness " in line for line in mounts_on(folder))


def mounts_on(folder: str) -> list[str]:
    """The lines of the mount table (proc(5), mountinfo) about this very folder."""
    escaped = folder.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        return [line for line in table if line.split(" ", 5)[4] == escaped]


def processes_of(folder: str) -> set[int]:
    """The processes that were started with this folder as their HARNESS_ROOT."""
    wanted = b"HARNESS_ROOT=" + os.fsencode(folder)
    found: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
            except OSError:
                continue
            if wanted in variables:
                found.add(int(name))
    return found - {os.getpid()}


def descendants() -> set[int]:
    """The living processes below this one; zombies do not count."""
    found: set[int] = set()
    below = [os.getpid()]
    while below:
        children = [pid for pid in children_of(below.pop()) if pid not in found]
        found.update(children)
        below += children
    return {pid for pid in found if is_alive(pid)}


def children_of(pid: int) -> list[int]:
    """The children of all its threads. Needs CONFIG_PROC_CHILDREN, as distributions have it."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def main(number: int) -> None:
    """Be the guardian of whoever holds the other end of this socket."""
    os.set_inheritable(number, False)  # who holds this end keeps the harness from seeing that we are gone
    try:
        Guardian(socket.socket(fileno=number)).run()
    finally:
        os._exit(0)  # everything is done: taking the interpreter down would only take time
