"""The vectors of a run's examples, for training a head on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.baselines.logistic_regression import downscaled_pixels
from capas.bundle.card import NetworkCard
from capas.core.errors import CapasError
from capas.core.files import read_regular, write_atomic
from capas.core.spec import Medium
from capas.data.batch import Batch, batches_with_targets
from capas.data.collections import AudioFiles, TextCollection
from capas.data.image.io import ImageCollection
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.encoders.hub_encoder import HubEncoder
from capas.engine.execution import Execution
from capas.engine.recipe import PreparedDataset, TrainingBatches
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.single_output.audio.data import mel_statistics
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.hub_backbone.audio_reader import hub_audio_preparation, read_beginning
from capas.engine.recipes.single_output.hub_backbone.fine_tuning import FineTuning, Inputs, fine_tune
from capas.engine.recipes.single_output.hub_backbone.head import new_head
from capas.engine.recipes.single_output.hub_backbone.pixels import HubPixels, hub_pixels
from capas.engine.recipes.single_output.hub_backbone.reference import (
    HUB,
    files_of,
    licence_of,
    reference_to,
    refuse_changed,
)
from capas.engine.recipes.single_output.hub_backbone.vector_cache import CHUNK, cached_vectors
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE, SPARSE_BASELINE, LinearBaseline
from capas.engine.recipes.single_output.text.encodings import TfidfEncoding, fit_terms

VECTORS: Final = "vectors"
FINGERPRINT: Final = "fingerprint"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineFeatures:
    """What the linear model beside the network sees: the examples themselves, not the vectors.

    Attributes:
        model: The kind of linear model.
        features: Returns features (N, D) of positions.
    """

    model: LinearBaseline
    features: Callable[[Tensor], Any]


class PreparedHubInputs:
    """The examples of a run as vectors (``PreparedInputs``).

    Args:
        config: The resolved configuration.
        names: Those of all examples.
        vectors: Those of all examples, shape (N, D).
        splits: Positions of "train" and "validation".
        encoder: What made the vectors.
        rival: Of the linear baseline.
        output_head: The kind of output.
        inputs: Returns the encoder's inputs of one example by its position.
        progress: Called with (done, total) in fine-tuning.
    """

    head: str | None = None

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        vectors: Float[Tensor, "N D"],
        splits: Mapping[str, Tensor],
        encoder: HubEncoder,
        rival: BaselineFeatures,
        output_head: OutputHead,
        inputs: Callable[[int], Inputs],
        progress: Callable[[int, int], None],
    ) -> None:
        self.config = config
        self.vectors = vectors
        self.encoder = encoder
        self.rival = rival
        self.baseline = rival.model
        self._names = names
        self.splits = splits
        self.output_head = output_head
        self.fine_tuning: FineTuning | None = None
        self._inputs = inputs
        self._progress = progress

    def network(self, num_outputs: int) -> nn.Module:
        self._network = new_head(self.config, self.vectors[self.splits["train"]], num_outputs)
        return self._network

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        return hub_card(self.encoder, network, self.vectors.shape[1], num_outputs, self.fine_tuning)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[Tensor]]:
        order = training_sampler(self.config, positions, ranks)
        return batches_with_targets(order, self._names, targets, lambda chosen, rng: self.take(chosen))

    def take(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return self.vectors[positions]

    def features(self, positions: Tensor) -> Any:
        return self.rival.features(positions)

    def fit_parts(self, targets: Tensor, execution: Execution) -> None:
        """Try to fine-tune the encoder with its head, and keep both where the validation split gains beyond noise."""
        tried = fine_tune(
            self.encoder.features, self._network, self.output_head, targets, self.splits, self._inputs, self.config,
            progress=self._progress,
        )  # fmt: skip
        self.fine_tuning = tried
        if tried is None or not tried.kept:
            return
        self.encoder.features = tried.features
        self._network.load_state_dict(tried.head.state_dict())
        self._network.keep(tried.features)
        chunks = torch.split(torch.arange(len(self.vectors)), CHUNK)
        self.vectors = torch.cat([
            torch.from_numpy(self.encoder.encode([self._inputs(i) for i in part.tolist()])) for part in chunks
        ])  # fmt: skip

    def further(self) -> Mapping[str, object]:
        """Return what fine-tuning was tried; nothing where it was not."""
        return {} if self.fine_tuning is None else {"fine_tuning": self.fine_tuning.as_json()}

    def as_json(self) -> Mapping[str, object]:
        files = {"files": files_of(self.encoder)} if self.fine_tuning and self.fine_tuning.kept else {}
        return {**reference_to(self.encoder), **files}


def hub_card(
    encoder: HubEncoder, network: nn.Module, width: int, num_outputs: int, tried: FineTuning | None
) -> NetworkCard:
    """Return the card of a head on the vectors of ``encoder``; a local folder is named without those above it.

    Where fine-tuning was ``tried``, the citation says what it gained on the validation split.
    """
    name = HUB + encoder.folder.name if encoder.name.startswith(f"{HUB}/") else encoder.name
    licence, kind = licence_of(encoder), type(encoder.model).__name__
    return NetworkCard(
        name=name,
        settings={
            "num_classes": num_outputs, "features": width, "encoder": kind, "fingerprint": encoder.fingerprint,
            "encoder_parameters": sum(parameter.numel() for parameter in encoder.model.parameters()),
            "licence": licence or None, "frozen": not (tried and tried.kept),
        },
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        paper=", ".join(filter(None, [f"{kind} (Hugging Face transformers)", licence, _tried_text(tried)])),
    )  # fmt: skip


def _tried_text(tried: FineTuning | None) -> str:
    return "" if tried is None else tried.text()


def prepare_hub_inputs(
    work: PreparedDataset, encoder: HubEncoder, medium: Medium, output_head: OutputHead
) -> PreparedHubInputs:
    """Encode every example once; what was encoded before an interruption is read from the run's cache.

    Raises:
        CapasError: ``hub_pixels_unlike``, ``data_changed`` where an example can no longer be read, ``hub_not_finite``.
    """
    pixels = hub_pixels(encoder) if medium == "image" else None

    def encode(positions: Sequence[int]) -> NDArray[np.float32]:
        return encoder.encode([_prepared(work, encoder, position, pixels) for position in positions])

    record = work.record
    _refuse_another_encoder(work.cache / VECTORS / FINGERPRINT, encoder)
    vectors = cached_vectors(work.cache / VECTORS, encoder.fingerprint, record.hashes, encode, work.progress)
    splits = {split: record.positions(split) for split in ("train", "validation")}
    return PreparedHubInputs(
        work.config, record.names, vectors, splits, encoder, _rival(work, encoder, pixels, splits["train"]),
        output_head, lambda position: _prepared(work, encoder, position, pixels), work.progress,
    )  # fmt: skip


def _refuse_another_encoder(path: Path, encoder: HubEncoder) -> None:
    """A run that is resumed goes on with the encoder that it began with, or not at all."""
    try:
        before = read_regular(path, max_bytes=1000).decode()
    except OSError:
        write_atomic(path, encoder.fingerprint)
    else:
        refuse_changed(encoder, before, path)


def _prepared(work: PreparedDataset, encoder: HubEncoder, position: int, pixels: HubPixels | None) -> Inputs:
    """One example as the encoder takes it; of an image the pixels that a gradient can reach, as in prediction."""
    inputs, index, name = work.inputs, work.indices[position], work.record.names[position]
    try:
        if pixels is not None:
            assert isinstance(inputs, ImageCollection)
            image = torch.from_numpy(pixels.fit_image(inputs.decode(index)).copy()).permute(2, 0, 1)
            return {"pixel_values": pixels.normalise(image[None])}
        if isinstance(inputs, AudioFiles):
            return dict(cast(Inputs, encoder.preprocess(inputs.paths[index], name)))
        assert isinstance(inputs, TextCollection)
        return dict(cast(Inputs, encoder.preprocess(inputs.texts[index], name)))
    except CapasError as error:
        raise CapasError("data_changed", where=name, received=error.key, first=name) from error


def _rival(work: PreparedDataset, encoder: HubEncoder, pixels: HubPixels | None, train: Tensor) -> BaselineFeatures:
    inputs = work.inputs
    if pixels is not None:
        assert isinstance(inputs, ImageCollection)
        images, preparation = inputs, pixels

        def small(positions: Tensor) -> Float[Tensor, "N D"]:
            rows = [preparation.fit_image(images.decode(work.indices[i])) for i in positions.tolist()]
            return torch.cat([downscaled_pixels(torch.from_numpy(row.copy()).permute(2, 0, 1)[None]) for row in rows])

        return BaselineFeatures(model=DENSE_BASELINE, features=small)
    if isinstance(inputs, AudioFiles):
        sounds, as_heard = inputs, hub_audio_preparation(encoder)

        def statistics(positions: Tensor) -> Float[Tensor, "N D"]:
            waves = (read_beginning(sounds.paths[work.indices[i]], as_heard) for i in positions.tolist())
            return torch.stack([mel_statistics(wave, as_heard) for wave in waves])

        return BaselineFeatures(model=DENSE_BASELINE, features=statistics)
    assert isinstance(inputs, TextCollection)
    texts = [inputs.texts[index] for index in work.indices]

    @cache
    def fitted() -> TfidfEncoding:
        return fit_terms([texts[i] for i in train.tolist()], max(2, len(work.spec.classes)))

    def terms(positions: Tensor) -> Any:
        tfidf = fitted()
        return tfidf.encode([texts[i] for i in positions.tolist()]).csr(max(1, len(tfidf.tfidf)))

    return BaselineFeatures(model=SPARSE_BASELINE, features=terms)
