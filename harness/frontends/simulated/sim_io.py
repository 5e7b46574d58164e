"""`io` as the subject sees it: `open`, on simulated files; everything else the interpreter's own."""

import errno
import io
import os
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from harness.disk import Folder
from harness.frontends.simulated import descriptors, names, real_files
from harness.frontends.simulated.descriptors import OpenFile
from harness.frontends.simulated.endings import OutsideImage
from harness.frontends.simulated.kernel import FIRST_DESCRIPTOR, running
from harness.frontends.simulated.metadata import BLOCK_BYTES
from harness.frontends.simulated.paths import os_error
from harness.frontends.simulated.raw_file import RawFile, raw_mode

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

_real_open: Final = io.open
_real_file_io: Final = io.FileIO

_O_APPEND: Final = os.O_APPEND

_Mode = tuple[int, bool, str, int]
"""(flags of open(2), is text, the raw mode, 1 read | 2 write)"""

_modes: Final[dict[str, _Mode]] = {}


def _parse(mode: str) -> _Mode:
    letters = set(mode)
    if letters - set("axrwb+t") or len(mode) > len(letters):
        raise ValueError(f"invalid mode: {mode!r}")
    if "t" in letters and "b" in letters:
        raise ValueError("can't have text and binary mode at once")
    if len(letters & set("axrw")) > 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    if not letters & set("axrw"):
        raise ValueError("Must have exactly one of create/read/write/append mode and at most one plus")
    both = "+" in letters
    flags = os.O_RDWR if both else (os.O_RDONLY if "r" in letters else os.O_WRONLY)
    if "w" in letters:
        flags |= os.O_CREAT | os.O_TRUNC
    elif "x" in letters:
        flags |= os.O_CREAT | os.O_EXCL
    elif "a" in letters:
        flags |= os.O_CREAT | os.O_APPEND
    ways = 3 if both else (1 if "r" in letters else 2)
    parsed = _modes[mode] = flags | os.O_CLOEXEC, "b" not in letters, raw_mode(flags, "x" in letters), ways
    return parsed


def open(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """As the built-in `open`: the interpreter's buffered and text layers over a simulated raw file."""
    kernel = running.kernel
    if kernel is None:
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if file.__class__ is not str:
        file = file if isinstance(file, int) else os.fspath(file)
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    flags, text, shown, ways = _modes.get(mode) or _parse(mode)
    if not text and (encoding is not None or errors is not None or newline is not None):
        what = "an encoding" if encoding is not None else "an errors" if errors is not None else "a newline"
        raise ValueError(f"binary mode doesn't take {what} argument")
    if not text and buffering == 1:
        warnings.warn(
            "line buffering (buffering=1) isn't supported in binary mode, the default buffer size will be used",
            RuntimeWarning,
            stacklevel=2,
        )
    raw: RawFile | None
    try:
        if file.__class__ is str and opener is None and closefd:
            open_file = names.opened(kernel, file, flags, 0o666)
            raw = _raw_over(kernel, descriptors.install(kernel, open_file), open_file, flags, True, file, shown)
        else:
            raw = _raw(kernel, file, flags, closefd, opener, shown)
    except OutsideImage as outside:
        if ways != 1:
            raise kernel.no_change_of(outside, file) from None
        real = kernel.real_path(outside, file, real_files.is_readable)
        return _real_open(real, mode, buffering, encoding, errors, newline)
    if raw is None:
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd)
    try:
        return _layers(raw, mode, buffering, ways, text, encoding, errors, newline)
    except BaseException:
        raw.close()
        raise


def _layers(
    raw: RawFile,
    mode: str,
    buffering: int,
    ways: int,
    text: bool,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> Any:
    size = buffering if buffering > 1 else BLOCK_BYTES
    if buffering == 0:
        if text:
            raise ValueError("can't have unbuffered text I/O")
        return raw
    if buffering < -1:
        raise ValueError("invalid buffering size")
    buffer: io.BufferedReader | io.BufferedWriter | io.BufferedRandom
    if ways == 2:
        buffer = io.BufferedWriter(raw, size)
    elif ways == 1:
        buffer = io.BufferedReader(raw, size)
    else:
        buffer = io.BufferedRandom(raw, size)
    if not text:
        return buffer
    wrapper = io.TextIOWrapper(buffer, encoding, errors, newline, buffering == 1)
    wrapper.mode = mode  # type: ignore[misc]  # what the built-in open does
    return wrapper


def _raw(kernel: "Kernel", file: Any, flags: int, closefd: bool, opener: Any, shown: str) -> RawFile | None:
    """The raw file; None for standard input, output or error, which stay real."""
    if isinstance(file, int):
        if 0 <= file <= 2:
            return None
        if 0 < file < FIRST_DESCRIPTOR:
            raise kernel.escape(f"open of the real descriptor {file}", "mounted")
        if file < 0:
            raise ValueError("negative file descriptor")
        fd = file
    elif not closefd:
        raise ValueError("Cannot use closefd=False with file name")
    elif opener is not None:
        fd = opener(file, flags)
        if not isinstance(fd, int):
            raise TypeError("expected integer from opener")
        if fd < 0:
            raise ValueError(f"opener returned {fd}")
        if fd < FIRST_DESCRIPTOR:
            raise kernel.escape(f"open of {file} by an opener that gave the real descriptor {fd}", "mounted")
    else:
        fd = names.open_file(kernel, file if isinstance(file, str) else os.fsdecode(file), flags, 0o666)
    return _raw_over(kernel, fd, descriptors.lookup(kernel, fd), flags, closefd, file, shown)


def _raw_over(
    kernel: "Kernel", fd: int, open_file: OpenFile, flags: int, closefd: bool, file: object, shown: str
) -> RawFile:
    """The raw file over a descriptor; a folder has none."""
    if kernel.nodes.get(open_file.ino).__class__ is Folder:
        if not isinstance(file, int):
            descriptors.drop(kernel, fd)
        raise os_error(errno.EISDIR, file)
    raw = RawFile(kernel, fd, open_file, closefd, file, shown)
    if flags & _O_APPEND:
        open_file.position = open_file.size()
    return raw


def open_code(path: str) -> Any:
    """Source and bytecode are the real machine's, unless the image has the path."""
    if running.kernel is not None and real_files.is_code(path):
        return io.open_code(path)
    return open(path, "rb")


class FileIO(io.FileIO):
    """The interpreter's raw file opens the real disk: refused while a kernel is active."""

    def __init__(self, file: Any, *args: Any, **kwargs: Any) -> None:
        kernel = running.kernel
        if kernel is not None and not (isinstance(file, int) and file <= 2):
            raise kernel.escape(f"io.FileIO({file!r})", "mounted")
        super().__init__(file, *args, **kwargs)


def make_module() -> ModuleType:
    """A module `io` with our `open`."""
    module = ModuleType("io", io.__doc__)
    module.__dict__.update(io.__dict__)
    module.__dict__.update(open=open, open_code=open_code, FileIO=FileIO)
    return module
