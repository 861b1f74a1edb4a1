"""Runs the examples of the documentation and writes what they print into the pages.

``python docs/run_examples.py [PAGE…]``

In every block marked ``console`` each line that begins with ``$`` is run, in a terminal of its own, in one scratch
folder for all pages; the lines below it are replaced by what then stands on its screen. Pages that need what an earlier
one made come later in ``PAGES``.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from terminal import plain, run

DOCS = Path(__file__).parent
PAGES = {
    "first-folder.md": "en", "look.md": "en", "plan.md": "en", "train.md": "en", "resume.md": "en", "test.md": "en",
    "predict.md": "en", "trust.md": "en", "explain.md": "en", "attack.md": "en", "board.md": "en", "export.md": "en",
    "samples.md": "en", "networks.md": "en", "doctor.md": "en", "data.md": "en", "run-folder.md": "en",
    "noisy-student.md": "en", "primera-carpeta.md": "es", "archive.md": "en",
    "archivo.md": "es",
}  # fmt: skip
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def refresh(page: str, language: str, folder: Path) -> str:
    """The text of ``page`` with every example run anew."""
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
    wanted = sys.argv[1:] or list(PAGES)
    kept = os.environ.get("CAPAS_EXAMPLES")
    folder = Path(kept or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for page in wanted:
        text = refresh(page, PAGES[page], folder)
        (DOCS / page).write_text(text, encoding="utf-8")
    if not kept:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
