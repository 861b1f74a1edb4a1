"""The folder of what can be rebuilt at any time."""

import os
from pathlib import Path


def cache_home() -> Path:
    """Return ``$XDG_CACHE_HOME/capas`` or ``~/.cache/capas``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "capas"
