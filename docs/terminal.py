"""A terminal of our own: run a command in it and take what stands on the screen at the end.

Progress bars redraw themselves, so what a command writes is not what its user sees. This follows the few control
sequences that rich uses (colours, carriage return, line up, erase line) and keeps the rest as text.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path

WIDTH, HEIGHT = 100, 60
_CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\].*?(?:\x07|\x1b\\)", re.DOTALL)


def run(command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What stands on the screen after ``command`` (for bash) in ``folder``, with its colours as ANSI sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    variables |= {"COLUMNS": str(WIDTH), "LINES": str(HEIGHT), **(environment or {})}
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = bytearray()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other end is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    process.wait()
    return "\n".join(_screen(written.decode("utf-8", "replace"))).rstrip()


def plain(screen: str) -> str:
    """``screen`` without colours, without blanks at the ends of lines and without the mark of a UTF-8 file."""
    return "\n".join(line.rstrip() for line in _CONTROL.sub("", screen).replace("\ufeff", "").split("\n"))


def _screen(written: str) -> list[str]:
    """The lines after everything was drawn; each cell is a sign with the style in force before it."""
    lines: list[list[tuple[str, str]]] = [[]]
    row = column = at = 0
    style = ""
    while at < len(written):
        match = _CONTROL.match(written, at)
        if match:
            at = match.end()
            number, letter = match[1] or "", match[2]
            if letter == "m":
                style = "" if number in ("", "0") else style + match[0]
            elif letter == "A":
                row = max(0, row - int(number or 1))
            elif letter == "K":
                lines[row] = [] if number == "2" else lines[row][:column]
            continue
        sign = written[at]
        at += 1
        if sign == "\r":
            column = 0
        elif sign == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append([])
        elif sign == "\t":
            column += 8 - column % 8
        elif sign >= " ":
            lines[row] += [(" ", "")] * (column + 1 - len(lines[row]))
            lines[row][column] = (sign, style)
            column += 1
    return [_line(cells) for cells in lines]


def _line(cells: list[tuple[str, str]]) -> str:
    text, before = "", ""
    for sign, style in cells:
        if style != before:
            text += "\x1b[0m" + style
            before = style
        text += sign
    return text + ("\x1b[0m" if before else "")
