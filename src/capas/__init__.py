"""Capas: from a folder of pictures to a network that is trained, honestly tested, and in use.

The verbs of the command line as functions::

    import capas

    seen = capas.look("sample:shapes")
    result = capas.train("sample:shapes", time_s=60)
    model = capas.load(result.run.folder)
    model.predict(["picture.png"])

Importing this loads nothing heavy: each name is fetched when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

from capas.core.errors import CapasError
from capas.version import __version__

if TYPE_CHECKING:
    from capas.api import load, look, plan, resume, test, train, trust
    from capas.generation.api import generate
    from capas.representation.api import embed, index, map, same, similar

__all__ = [
    "CapasError", "__version__", "embed", "generate", "index", "load", "look", "map", "plan", "resume", "same",
    "similar", "test", "train", "trust",
]  # fmt: skip
# The module of each name; "capas.api" of the others.
_MODULES = {
    **dict.fromkeys(("embed", "index", "map", "same", "similar"), "capas.representation.api"),
    "generate": "capas.generation.api",
}


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module(_MODULES.get(name, "capas.api")), name)
    raise AttributeError(f"module 'capas' has no attribute {name!r}")
