"""Models that come with Capas, named like samples: ``reader:medieval``. Each is a bundle; the file beside them says
what they have learnt from, under which licence, and how they did on writing that they had not seen."""

from pathlib import Path
from typing import Final

SHIPPED_READERS: Final = {
    f"reader:{path.name}": path for path in sorted((Path(__file__).parent / "readers").glob("*/"))
}


def model_folder(where: str | Path) -> Path:
    """The folder of the model that comes with Capas under this name, or ``where`` as a path."""
    return SHIPPED_READERS.get(str(where), Path(where))
