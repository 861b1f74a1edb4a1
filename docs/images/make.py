"""Draws the pictures of the README from what the commands really print: ``python docs/images/make.py``.

It looks at a folder of handwritten digits in which something is wrong, and trains for one minute, in a scratch folder.
"""

import io
import os
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from terminal import WIDTH, run  # noqa: E402

THEME = TerminalTheme(
    (250, 250, 248), (45, 48, 52),
    [(45, 48, 52), (190, 60, 50), (40, 130, 80), (180, 120, 20), (60, 100, 180), (150, 80, 150), (0, 125, 140),
     (120, 125, 130)],
)  # fmt: skip
PICTURES = {
    "look": "capas look my-folder",
    "train": "capas train my-folder --time 1m",
}


def environment() -> dict[str, str]:
    """English, and the Capas of the Python that runs this."""
    return {"CAPAS_LANG": "en", "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def draw(name: str, command: str, folder: Path) -> Path:
    """Run ``command`` and draw its screen as ``name``.svg."""
    screen = run(command, folder, environment())
    lines = Text.from_ansi(screen)
    console = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    console.print(lines)
    svg = console.export_svg(title=command, theme=THEME, unique_id=f"capas-{name}")
    path = HERE / f"{name}.svg"
    path.write_text(_without_web(svg), encoding="utf-8")
    return path


def _without_web(svg: str) -> str:
    """``svg`` with fonts of the reader's own computer: a picture should not fetch anything."""
    svg = re.sub(r"\s*@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace")


def spoil(folder: Path) -> list[Path]:
    """Put copies of three zeros among the eights, and a file that is cut off among the threes; what was put there."""
    zeros = sorted((folder / "0").iterdir())[:3]
    added = [folder / "8" / f"copy-of-{zero.name}" for zero in zeros] + [folder / "3" / "cut-off.png"]
    for path, content in zip(added, [*(zero.read_bytes() for zero in zeros), zeros[0].read_bytes()[:60]], strict=True):
        path.write_bytes(content)
    return added


def main() -> None:
    """Draw every picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("capas samples digits --out my-folder", folder, environment())
        added = spoil(folder / "my-folder")
        print(draw("look", PICTURES["look"], folder))
        for path in added:
            path.unlink()
        print(draw("train", PICTURES["train"], folder))


if __name__ == "__main__":
    main()
