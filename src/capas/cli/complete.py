"""Candidates of tab completion; quick to load, so torch stays out."""

import sqlite3
from contextlib import closing
from pathlib import Path

from capas.bundle.shipped import SHIPPED_READERS
from capas.core.files import read_regular
from capas.core.parsing import parse_json
from capas.networks.catalog import NETWORKS

MAX_CARD_BYTES = 1_000_000
ARCHIVE_FILE = "archive.sqlite"
INDEX_FILE = "index.json"
SAMPLES = ("mnist5k", "fashion-mnist", "digits", "shapes", "manuscripts")


def data(incomplete: str) -> list[str]:
    """Return samples, and paths that begin with ``incomplete``."""
    samples = [f"sample:{name}" for name in SAMPLES]
    return [text for text in samples if text.startswith(incomplete)] + _paths(incomplete)


def networks(incomplete: str) -> list[str]:
    """Return names in the catalogue of networks."""
    return [row.name for row in NETWORKS if row.name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """Return run folders, newest first, and "latest"."""
    folders = sorted(Path("runs").glob("*/config.toml"), key=lambda path: -path.stat().st_mtime)
    names = ["latest", *(str(path.parent) for path in folders)]
    return [name for name in names if name.startswith(incomplete)] + _paths(incomplete)


def indexes(incomplete: str) -> list[str]:
    """Return folders that are similarity indexes, else folders in which there may be some."""
    folders = [text for text in _paths(incomplete) if text.endswith("/")]
    here = [text.rstrip("/") for text in folders if (Path(text) / INDEX_FILE).is_file()]
    below = [str(file.parent) for text in folders for file in sorted(Path(text).glob(f"*/{INDEX_FILE}"))]
    return here + below or folders


def archives(incomplete: str) -> list[str]:
    """Return folders that are archives, else folders in which there may be some."""
    folders = [text for text in _paths(incomplete) if text.endswith("/")]
    here = [text.rstrip("/") for text in folders if (Path(text) / ARCHIVE_FILE).is_file()]
    below = [str(file.parent) for text in folders for file in sorted(Path(text).glob(f"*/{ARCHIVE_FILE}"))]
    return here + below or folders


def units(archive: str, incomplete: str) -> list[str]:
    """Return the units of an archive, and the levels above them."""
    file = Path(archive) / ARCHIVE_FILE
    if not archive or not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            names = [str(row[0]) for row in connection.execute("SELECT DISTINCT unit FROM pages")]
    except sqlite3.Error:
        return []
    levels = {name.rsplit("/", cut)[0] for name in names for cut in range(name.count("/") + 1)}
    return sorted(level for level in levels if level and level.startswith(incomplete))


def readers(incomplete: str) -> list[str]:
    """Return runs and bundles whose card says that they transcribe images, newest first, and the shipped readers."""
    shipped = [name for name in SHIPPED_READERS if name.startswith(incomplete)]
    found = [name for name in runs(incomplete) if name != "latest"]
    own = [name for name in found if _reads_lines(Path(name))]
    return [*(own or [name for name in found if name.endswith("/")]), *shipped]


def _reads_lines(folder: Path) -> bool:
    for card in (folder / "bundle" / "card.json", folder / "card.json"):
        try:
            tree = parse_json(read_regular(card, max_bytes=MAX_CARD_BYTES))
        except (OSError, ValueError):
            continue
        return isinstance(tree, dict) and (tree.get("task"), tree.get("medium")) == ("transcribe", "image")
    return False


def _paths(incomplete: str) -> list[str]:
    base = Path(incomplete)
    folder = base if incomplete.endswith("/") else base.parent
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(str(p) + ("/" if p.is_dir() else "") for p in found if str(p).startswith(incomplete))
