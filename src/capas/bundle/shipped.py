"""Models that come with Capas, named like samples: ``reader:medieval``.

Each is a bundle; the file beside them documents training data, licence, and error rates on unseen handwriting.
"""

from pathlib import Path
from typing import Final

SHIPPED_READERS: Final = {
    f"reader:{path.name}": path for path in sorted((Path(__file__).parent / "readers").glob("*/"))
}


def model_folder(where: str | Path) -> Path:
    """Return the folder of the shipped model named ``where``, or ``where`` as a path."""
    return SHIPPED_READERS.get(str(where), Path(where))
