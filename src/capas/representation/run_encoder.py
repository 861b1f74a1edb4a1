"""A model of ours as an encoder: what reaches its last linear layer, or the output of one trained to embed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.spec import Medium
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item
from capas.engine.recipes.example_vectors import example_vectors, gives_vectors


class RunEncoder:
    """A trained model as a source of vectors (``Encoder``).

    Args:
        name: What the user calls it by.
        model: The model.
    """

    def __init__(self, name: str, model: Model) -> None:
        self.name = name
        self.model = model
        self.card = card = model.card
        preparation = "".join(
            f"{file}:{hashed}" for file, hashed in sorted(card.files.items()) if "answers" not in file
        )
        self.fingerprint = content_hash(f"{card.weights.hash} {preparation}".encode())
        self.columns = tuple(field.name for field in card.spec.columns_beside)

    @property
    def media(self) -> tuple[Medium, ...]:
        return (self.card.spec.medium,)

    def preprocess(self, content: object, name: str) -> object:
        return self.model.predictor.preprocess(Item(name=name, content=content))

    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        return example_vectors(self.model.predictor, prepared)


def open_run_encoder(where: str | Path) -> RunEncoder:
    """Open the model of a run or bundle as an encoder. Raises CapasError ``encoder_no_vectors`` and those of
    ``load_model``.
    """
    model = load_model(where)
    if not gives_vectors(model.predictor):
        raise CapasError("encoder_no_vectors", where=str(where), received=f"{model.card.task} ({model.card.medium})")
    return RunEncoder(str(where), model)
