"""Opening an encoder by its name: a run or bundle, a network with pretrained weights, or ``hf:NAME``."""

import difflib
from pathlib import Path
from typing import Final

from capas.bundle.shipped import SHIPPED_READERS
from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder
from capas.engine.encoders.encoder import Encoder
from capas.representation.pretrained import PRETRAINED
from capas.representation.run_encoder import open_run_encoder

HUB: Final = "hf:"


def open_encoder(name: str, *, fetch: bool = True) -> Encoder:
    """Open an encoder.

    Args:
        name: A run, a bundle folder, "latest", a name in ``PRETRAINED``, or "hf:" with the name of a model on the
            Hugging Face hub or a local folder in its format.
        fetch: Whether a model of the hub may be fetched; else it must have been already.

    Raises:
        CapasError: ``encoder_unknown``, ``hub_name_missing``, ``encoder_no_vectors``, ``weights_missing``,
            ``extra_missing``, and those of ``load_model`` and of ``open_hub_encoder``.
    """
    if name.startswith(HUB):
        if not name.removeprefix(HUB).strip():
            raise CapasError("hub_name_missing", where="--network", received=name)
        from capas.engine.encoders.hub_encoder import open_hub_encoder

        encoder: Encoder = open_hub_encoder(name, fetch=fetch)
        return encoder
    maker = PRETRAINED.get(name.partition("@")[0])
    if maker is not None:
        return maker(name)
    if name == "latest" or name in SHIPPED_READERS or is_folder(Path(name)) or is_file(Path(name)):
        return open_run_encoder(name)
    known = list(PRETRAINED)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    raise CapasError("encoder_unknown", where="--network", received=name, known=", ".join(known), nearest=nearest)
