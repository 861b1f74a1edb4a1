"""Draws the pictures of both READMEs from what the commands really print: ``python docs/images/make.py``.

It looks at a folder of real photographs in which something is wrong, trains on it for a minute, and photographs the
trust report. The photographs are pieces of scikit-image's brick, grass and gravel (CC0), in a scratch folder; needs
``pip install scikit-image`` and Chromium.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
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
FOLDERS = {"en": "my-photos", "es": "mis-fotos"}
CLASSES = {"brick": ("brick", "ladrillo"), "grass": ("grass", "hierba"), "gravel": ("gravel", "grava")}
SIDE = 64  # pixels of a piece; none overlaps another
VIEW = (1280, 1560)


def environment(language: str) -> dict[str, str]:
    """The language, and the Capas of the Python that runs this."""
    return {"CAPAS_LANG": language, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def photographs(folder: Path, language: str) -> None:
    """Three classes of 64 photographs."""
    from skimage import data  # type: ignore[import-not-found]

    for first, (name, words) in zip((1000, 1100, 1200), CLASSES.items(), strict=True):
        whole = Image.fromarray(getattr(data, name)())
        place = folder / words[language == "es"]
        place.mkdir(parents=True)
        for number in range((512 // SIDE) ** 2):
            row, column = divmod(number, 512 // SIDE)
            piece = whole.crop((SIDE * column, SIDE * row, SIDE * (column + 1), SIDE * (row + 1)))
            piece.save(place / f"IMG_{first + number}.jpg", quality=92)


def spoil(folder: Path) -> list[Path]:
    """Copy three photographs of one class into another, and cut a file off; return what was put there."""
    first, second, third = sorted(folder.iterdir())
    taken = sorted(first.iterdir())[:3]
    added = [second / f"{path.stem}-2.jpg" for path in taken] + [third / "IMG_2000.jpg"]
    for path, content in zip(added, [*(one.read_bytes() for one in taken), taken[0].read_bytes()[:700]], strict=True):
        path.write_bytes(content)
    return added


def draw(name: str, command: str, folder: Path, language: str) -> Path:
    """Run ``command`` and draw its screen as ``name``.svg (``name``.es.svg in Spanish)."""
    lines = Text.from_ansi(run(command, folder, environment(language)))
    console = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    console.print(lines)
    svg = console.export_svg(title=command, theme=THEME, unique_id=f"capas-{name}")
    path = HERE / _named(name, language, "svg")
    path.write_text(_without_web(svg), encoding="utf-8")
    return path


def photograph(page: Path, name: str, language: str) -> Path:
    """Photograph the top of a page as ``name``.png."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("Chromium is not installed")
    path = HERE / _named(name, language, "png")
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={path}",
         f"--window-size={VIEW[0]},{VIEW[1]}", page.as_uri()], check=True, capture_output=True,
    )  # fmt: skip
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128).save(path, optimize=True)
    return path


def _named(name: str, language: str, suffix: str) -> str:
    return f"{name}.{suffix}" if language == "en" else f"{name}.{language}.{suffix}"


def _without_web(svg: str) -> str:
    """``svg`` with fonts of the reader's own computer: a picture should not fetch anything."""
    svg = re.sub(r"\s*@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace")


def main() -> None:
    """Draw every picture in both languages."""
    for language, data in FOLDERS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            photographs(folder / data, language)
            added = spoil(folder / data)
            print(draw("look", f"capas look {data}", folder, language))
            for path in added:
                path.unlink()
            print(draw("train", f"capas train {data} --time 5m --out run", folder, language))
            print(photograph(folder / "run" / "report" / "report.html", "trust-report", language))


if __name__ == "__main__":
    main()
