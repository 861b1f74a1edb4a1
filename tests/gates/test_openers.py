"""One place opens the files of others (``capas.core.files``): every other opener stands here, with its reason."""

import ast
from collections import Counter
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "capas"
OPENERS = {
    "open", "read_bytes", "read_text", "safe_open", "load_file", "from_path", "ZipFile", "memmap", "loadtxt",
    "PdfDocument", "SoundFile",
}  # fmt: skip
NOT_FILES = {"Image", "Library", "LineReader", "LineFinder", "SentenceEmbeddingEncoding", "os", "webbrowser"}
OURS = "a file of Capas itself"
CHECKED = "the same path was opened by open_regular before"
ALLOWED: dict[str, str] = {
    "archive/learning/reader_training.py": "transcripts that were written just before",
    "archive/library/scans.py": CHECKED,
    "archive/line_finding/model.py": OURS,
    "archive/search/hits_page.py": OURS,
    "archive/web/routes.py": OURS,
    "core/device.py": "files of the kernel",
    "core/files.py": "the place itself, and its lock",
    "core/i18n/__init__.py": OURS,
    "core/memory.py": "files of the kernel",
    "data/audio/io.py": CHECKED,
    "data/image/store.py": "a cache that Capas wrote, in a folder of the user's own",
    "data/sources/samples.py": "data sets of packages, held against their hash",
    "data/tabular/io.py": CHECKED,
    "data/tabular/records.py": CHECKED,
    "data/tabular/spreadsheet.py": CHECKED,
    "data/tabular/workbook_area.py": "members of a workbook that was opened before",
    "data/tabular/write.py": "a table that may be an earlier output, known to be a file",
    "data/text/wordpiece.py": "a vocabulary that is held against its hash",
    "engine/checkpoint.py": "checkpoints of the run itself",
    "engine/events.py": "events of the run itself",
    "engine/run.py": "a file of the kernel",
    "evaluation/challenge/challenge.py": "the organiser's own rules, and a copy that is written",
    "networks/sequence/minilm.py": "weights that are held against their hash",
    "page_formats/normalise.py": OURS,
    "representation/index/cells.py": "cells that Capas divided, in a folder of the user's own",
    "representation/index/snapshot.py": "an index that Capas wrote, in a folder of the user's own",
    "representation/index/appending.py": "an index that Capas writes",
    "representation/map/page.py": OURS,
    "representation/vector_folder.py": "vectors that Capas writes, and reads as one tensor",
    "trust/ood/detector.py": CHECKED,
    "trust/predictions.py": "predictions of the run itself",
    "trust/rendering/style.py": OURS,
}


def openers() -> Counter[str]:
    """Files of the sources that open files, with how often."""
    found = Counter[str]()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            base = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
            if name in OPENERS and base not in NOT_FILES:
                found[path.relative_to(SOURCES).as_posix()] += 1
    return found


def test_files_of_others_are_opened_in_one_place() -> None:
    assert set(openers()) == set(ALLOWED)
