"""What tab completion offers; quick to load, so torch stays out."""

from pathlib import Path

from capas.networks.catalog import NETWORKS

SAMPLES = ("mnist5k", "fashion-mnist", "digits", "shapes", "manuscripts")


def data(incomplete: str) -> list[str]:
    """Samples, and paths below what is typed."""
    samples = [f"sample:{name}" for name in SAMPLES]
    return [text for text in samples if text.startswith(incomplete)] + _paths(incomplete)


def networks(incomplete: str) -> list[str]:
    """Names in the catalogue."""
    return [row.name for row in NETWORKS if row.name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """Folders of runs, newest first, and "latest"."""
    folders = sorted(Path("runs").glob("*/config.toml"), key=lambda path: -path.stat().st_mtime)
    names = ["latest", *(str(path.parent) for path in folders)]
    return [name for name in names if name.startswith(incomplete)] + _paths(incomplete)


def _paths(incomplete: str) -> list[str]:
    base = Path(incomplete)
    folder = base if incomplete.endswith("/") else base.parent
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(str(p) + ("/" if p.is_dir() else "") for p in found if str(p).startswith(incomplete))
