"""Where a command may write the file that an option names: a free place, or that of an earlier output of its kind.

Nothing else is replaced: what stands at a path by mistake is as a rule one of the user's own files.
"""

import csv
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder, open_regular, write_error
from capas.core.i18n import say

HEAD_BYTES: Final = 65_536
_DELIMITERS: Final = (",", ";", "\t")


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputKind:
    """A kind of file that a command writes.

    Attributes:
        suffixes: Endings that its name may have, in lower case.
        is_earlier: Whether a file is an earlier output of this kind; called with files only.
    """

    suffixes: tuple[str, ...]
    is_earlier: Callable[[Path], bool]


def marked_output(suffixes: Sequence[str], *marks: str) -> OutputKind:
    """Return the kind of files that hold one of ``marks`` in their first 64 KiB."""
    return OutputKind(
        suffixes=tuple(suffixes), is_earlier=lambda path: any(mark.encode() in file_head(path) for mark in marks)
    )


def begins_with_columns(path: Path, heads: Sequence[Sequence[str]]) -> bool:
    """Return whether the first line of a delimited text begins with the names of one of ``heads``."""
    first = file_head(path).decode("utf-8-sig", "replace").partition("\n")[0].rstrip("\r")
    for delimiter in _DELIMITERS:
        cells = next(csv.reader([first], delimiter=delimiter), [])
        if any(cells[: len(head)] == list(head) for head in heads):
            return True
    return False


def file_head(path: Path) -> bytes:
    """Return the first 64 KiB of a file, b"" of what cannot be read."""
    try:
        with open_regular(path) as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


def check_output(path: Path, kind: OutputKind, option: str) -> None:
    """Refuse a path to which an output cannot or should not be written, before any work is done.

    Args:
        path: Where it is to be written.
        kind: What is to be written.
        option: The option that named the path, for the message.

    Raises:
        CapasError: ``output_suffix`` where the name is one of another kind of file, ``output_not_ours`` where something
            else would be lost, ``disk_full`` or ``cannot_write``.
    """
    if is_folder(path):
        raise CapasError("cannot_write", where=path, received=say("files.is_folder"))
    if path.suffix.casefold() not in kind.suffixes:
        raise CapasError("output_suffix", where=path, received=path.name, known=", ".join(kind.suffixes), option=option)
    if os.path.lexists(path) and not (is_file(path) and kind.is_earlier(path)):
        raise CapasError("output_not_ours", where=path, option=option)
    check_writable(path)


def check_writable(path: Path) -> None:
    """Try whether a file can be made at ``path``, without leaving anything. Raises CapasError ``disk_full`` or
    ``cannot_write``.
    """
    try:
        folder, missing = path.absolute().parent, [path.name]
        while not folder.exists():
            missing.append(folder.name)
            folder = folder.parent
        # Named as ``write_atomic`` names it, after the longest of the names that are to be made: rights alone would not
        # tell a name that is too long, nor a disk that nothing can be written to.
        longest = max(missing, key=lambda name: len(os.fsencode(name)))
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{longest}."):
            pass
    except (OSError, ValueError) as error:
        raise write_error(path, error if isinstance(error, OSError) else OSError(str(error))) from error
