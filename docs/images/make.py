"""Draws the pictures of the README from what the commands really print: ``python docs/images/make.py``.

It trains for one minute on a folder of drawn shapes, in a scratch folder.
"""

import io
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
    "look": "capas look shapes",
    "train": "capas train shapes --time 1m --out runs/shapes",
}


def draw(name: str, command: str, folder: Path) -> Path:
    """Run ``command`` and draw its screen as ``name``.svg."""
    screen = run(command, folder, {"CAPAS_LANG": "en", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
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


def main() -> None:
    """Draw every picture."""
    with tempfile.TemporaryDirectory() as folder:
        run("capas samples shapes --out shapes", Path(folder), {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
        for name, command in PICTURES.items():
            print(draw(name, command, Path(folder)))


if __name__ == "__main__":
    main()
