"""The vectors that a model makes of whole examples: what its last layer sees, or the output of one trained to embed."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.data.batch import map_tensors
from capas.engine.recipe import Predictor
from capas.engine.recipes.embedding.predictor import EmbeddingPredictor
from capas.engine.recipes.single_output.feature_hooks import FeatureHooks
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor


def gives_vectors(predictor: Predictor) -> bool:
    """Whether a model gives one vector for a whole example."""
    return isinstance(predictor, SingleOutputPredictor | EmbeddingPredictor)


@torch.no_grad()
def example_vectors(predictor: Predictor, prepared: Sequence[object]) -> NDArray[np.float32]:
    """Return the vectors (B, D) of preprocessed inputs. Raises CapasError ``encoder_no_vectors``."""
    if isinstance(predictor, EmbeddingPredictor):
        return _numbers(predictor.embed(prepared))
    if not isinstance(predictor, SingleOutputPredictor):
        raise CapasError("encoder_no_vectors", where="model", received=type(predictor).__name__)
    reader = predictor.reader
    device = next(reader.network.parameters()).device
    with FeatureHooks(reader.network) as hooks:
        outputs = reader.network(map_tensors(reader.collate(prepared), lambda tensor: tensor.to(device)))
        return _numbers(hooks.collect(outputs.float())[0])


def _numbers(vectors: torch.Tensor) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = vectors.float().cpu().numpy()
    return rows
