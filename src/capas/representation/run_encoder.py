"""A model of ours as an encoder: what reaches its last linear layer, or the output of one trained to embed."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from capas.bundle.card import Card
from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.spec import Medium
from capas.engine.predict import load_model
from capas.engine.recipe import Item
from capas.engine.recipes.embedding.predictor import EmbeddingPredictor
from capas.engine.recipes.single_output.feature_hooks import FeatureHooks
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor


class RunEncoder:
    """A trained model as a source of vectors (``Encoder``).

    Args:
        name: What the user calls it by.
        card: Its card.
        reader: Its input side, with the network.

    The vector is the input of the last linear layer; of a network without one, and of one trained to embed, its output.
    """

    def __init__(self, name: str, card: Card, reader: InputReader[object]) -> None:
        self.name = name
        self.card = card
        self.reader = reader
        preparation = "".join(
            f"{file}:{hashed}" for file, hashed in sorted(card.files.items()) if "answers" not in file
        )
        self.fingerprint = content_hash(f"{card.weights.hash} {preparation}".encode())
        self.columns = tuple(field.name for field in card.spec.columns_beside)

    @property
    def media(self) -> tuple[Medium, ...]:
        return (self.card.spec.medium,)

    def preprocess(self, content: object, name: str) -> object:
        return self.reader.preprocess(Item(name=name, content=content))

    @torch.no_grad()
    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        with FeatureHooks(self.reader.network) as hooks:
            outputs = self.reader.network(self.reader.collate(prepared)).float()
            vectors = hooks.collect(outputs)[0] if self.card.task != "embed" else outputs
        rows: NDArray[np.float32] = vectors.cpu().numpy().astype(np.float32, copy=False)
        return rows


def open_run_encoder(where: str | Path) -> RunEncoder:
    """Open the model of a run or bundle as an encoder. Raises CapasError ``encoder_no_vectors`` and those of
    ``load_model``.
    """
    model = load_model(where)
    predictor = model.predictor
    if not isinstance(predictor, SingleOutputPredictor | EmbeddingPredictor):
        raise CapasError("encoder_no_vectors", where=str(where), received=f"{model.card.task} ({model.card.medium})")
    return RunEncoder(str(where), model.card, cast(InputReader[object], predictor.reader))
