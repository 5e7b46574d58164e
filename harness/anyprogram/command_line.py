"""Command lines that a user gives as one text: which program, which words, and whether a shell must read them.

As `make` does it: a line without any shell syntax is started directly, since a shell costs more than many a checker; any
other goes to `/bin/sh -c`. `{root}` stands for the folder that is being worked on.

A program runs in another folder than the one in which the line was typed. So a word that names an existing file there is
made absolute; a file of the restored folder that is called the same is `{root}/NAME`. Not done for lines that a shell
reads, whose words are not ours to guess.
"""

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Final

import msgspec

ROOT_WORD: Final = "{root}"
SHELL: Final = "/bin/sh"

_SHELL_SYNTAX: Final = re.compile(r"[|&;<>()$`*?~#\n]|\[|^\s*\w+=")
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
_SHELL_WORD: Final = re.compile(
    r"[!.:{]|break|case|cd|command|continue|eval|exec|exit|export|for|if|read|return|set|shift|trap|ulimit|umask"
    r"|unset|until|wait|while"
)


class CommandLineError(ValueError):
    """The line cannot be started; the message names it, says why and what to do."""


class CommandLine(msgspec.Struct, frozen=True):
    """`text` as it was typed in folder `typed_in`; `words` with their `{root}` still in them."""

    text: str
    typed_in: str
    words: tuple[str, ...]
    by_shell: bool

    def for_root(self, root: str) -> list[str]:
        """The words to start, with `root` in place of `{root}`."""
        if self.by_shell:
            return [SHELL, "-c", self.words[0].replace(ROOT_WORD, shlex.quote(root))]
        return [word.replace(ROOT_WORD, root) for word in self.words]


def command_line(text: str, *, typed_in: Path | None = None) -> CommandLine:
    """Read the line; `typed_in` is by default the working directory. Raises CommandLineError."""
    folder = (typed_in if typed_in is not None else Path.cwd()).absolute()
    if "\0" in text:
        raise CommandLineError(f"the command {text!r} has a NUL byte in it")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise CommandLineError(f"the command {text!r} cannot be split into words: {error}") from None
    if not words:
        raise CommandLineError("the command is empty: name a program, for example --check 'python3 check.py {root}'")
    if _SHELL_WORD.fullmatch(words[0]) or _SHELL_SYNTAX.search(_QUOTED.sub("", text)):
        return CommandLine(text, str(folder), (text,), True)
    program = _program(words[0], folder, text)
    return CommandLine(text, str(folder), (program, *(_absolute(word, folder) for word in words[1:])), False)


def _program(word: str, folder: Path, text: str) -> str:
    if "/" not in word:
        found = shutil.which(word)
        if found is None:
            here = f"; there is a file {folder / word}: write ./{word}" if (folder / word).is_file() else ""
            raise CommandLineError(f"no program {word!r} on the PATH, from the command {text!r}{here}")
        return os.path.abspath(found)
    if word.startswith(ROOT_WORD):
        return word
    path = folder / word
    if not path.exists():
        raise CommandLineError(f"{path} does not exist, from the command {text!r}")
    if not path.is_file():
        raise CommandLineError(f"{path} is no file that could be started, from the command {text!r}")
    if not os.access(path, os.X_OK):
        raise CommandLineError(f"{path} is not executable: chmod +x it, or name its interpreter before it")
    return str(path)


def _absolute(word: str, folder: Path) -> str:
    if word.startswith(("/", "-", ROOT_WORD)) or not word:
        return word
    try:
        return str(folder / word) if (folder / word).is_file() else word
    except OSError:  # a long word of program text is no file name
        return word
