"""Runs the examples of the documentation and writes what they print into the pages.

``python docs/run_examples.py [PAGE…]``

In every block marked ``console`` each line that begins with ``$`` is run, in a terminal of its own, in one scratch
folder for all pages of a language; the lines below it are replaced by what then stands on its screen. Pages that need
what an earlier one made come later in ``PAGES``. In ``NAME.es.md`` Capas speaks
Spanish.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from terminal import plain, run

DOCS = Path(__file__).parent
PAGES = (
    "first-folder.md", "look.md", "plan.md", "train.md", "resume.md", "test.md", "predict.md", "trust.md",
    "explain.md", "attack.md", "embed.md", "similar.md", "same.md", "map.md", "without-labels.md", "generate.md",
    "complete.md", "interpolate.md", "transform.md", "edit.md", "board.md", "export.md", "samples.md", "networks.md",
    "doctor.md", "data.md", "run-folder.md", "noisy-student.md", "challenge.md", "score.md", "archive.md",
)  # fmt: skip
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def pages() -> list[str]:
    """All pages with examples: first the English ones, then those that are in Spanish too."""
    return [*PAGES, *(spanish for page in PAGES if (DOCS / (spanish := page.replace(".md", ".es.md"))).exists())]


def refresh(page: str, folder: Path) -> str:
    """The text of ``page`` with every example run anew."""
    language = "es" if page.endswith(".es.md") else "en"
    folder = folder / language
    folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"CAPAS_LANG": language, "PATH": path, "CAPAS_BOARD": str(folder / ".board.sqlite")}

    def rerun(block: re.Match[str]) -> str:
        commands = [line.removeprefix("$ ") for line in block[1].splitlines() if line.startswith("$ ")]
        shown = []
        for command in commands:
            print(f"{page}: {command}", flush=True)
            shown.append(f"$ {command}\n{plain(run(command, folder, environment))}".rstrip() + "\n")
        return "```console\n" + "".join(shown) + "```"

    return BLOCK.sub(rerun, (DOCS / page).read_text(encoding="utf-8"))


def main() -> None:
    """Refresh the pages named, or all; the scratch folder is kept where ``CAPAS_EXAMPLES`` names one."""
    wanted = sys.argv[1:] or pages()
    kept = os.environ.get("CAPAS_EXAMPLES")
    folder = Path(kept or tempfile.mkdtemp())
    for page in wanted:
        text = refresh(page, folder)
        (DOCS / page).write_text(text, encoding="utf-8")
    if not kept:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
