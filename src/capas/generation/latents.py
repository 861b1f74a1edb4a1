"""The latents of an image as a value, and as a file that brings the image back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from capas.core.errors import CapasError
from capas.core.files import read_regular, write_json
from capas.core.parsing import parse_json

MAX_BYTES: Final = 10 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Latents:
    """What a class-conditioned VAE makes of one image.

    Attributes:
        model: Hash of the weights that they belong to.
        class_name: The class that ``class_latent`` is of.
        class_latent: Numbers of the latent that is conditioned on the class.
        shared_latent: Numbers of the latent that all classes share.
    """

    model: str
    class_name: str
    class_latent: tuple[float, ...]
    shared_latent: tuple[float, ...]

    def save(self, path: Path) -> None:
        """Write them as JSON. Every digit is kept: the same image comes back."""
        write_json(path, {"kind": "latents", **asdict(self)})


_LATENTS: Final[TypeAdapter[Latents]] = TypeAdapter(Latents)


def read_latents(path: Path) -> Latents:
    """Read what ``Latents.save`` wrote. Raises CapasError ``latents_unreadable``."""
    try:
        tree = parse_json(read_regular(path, max_bytes=MAX_BYTES), finite=True)
        if not isinstance(tree, Mapping) or tree.get("kind") != "latents":
            raise CapasError("latents_unreadable", where=path, received=type(tree).__name__)
        return _LATENTS.validate_python({name: value for name, value in tree.items() if name != "kind"})
    except ValidationError as error:
        raise CapasError("latents_unreadable", where=path, received=str(error.errors()[0]["msg"])) from error
    except (OSError, ValueError) as error:
        raise CapasError("latents_unreadable", where=path, received=str(error)[:200]) from error
