"""The out-of-distribution detector of a model, kept beside its bundle, so that ``predict`` can refuse inputs.

Scores: the distance to the nearest training examples in the features before the last layer (``nearest``), the same with
an earlier feature map concatenated (``nearest_wide``, images), the energy of the logits (``energy``, classes), and the
reconstruction error of an autoencoder (``autoencoder``). Beside the network stands how far the plain measures of an
input lie outside those of the training inputs (``ranges``), which decides alone where that is far. A score that does
not separate noise from real inputs is switched off (``scores``, ``autoencoder``, ``input_ranges`` and ``threshold`` say
where each comes from).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from capas.bundle.card import Card
from capas.bundle.write import add_file
from capas.core.errors import CapasError
from capas.core.files import hash_file
from capas.engine.recipes.single_output.feature_hooks import BATCH, ModelOutputs, forward_with_features
from capas.trust.ood.autoencoder import ReconstructionScore
from capas.trust.ood.input_ranges import InputRanges, RangeViolation
from capas.trust.ood.scores import KNNScore, energy
from capas.trust.ood.threshold import FisherCombination
from capas.trust.subjects.image_inputs import images_to_unit_range
from capas.trust.subjects.input_adapter import InputAdapter
from capas.trust.subjects.run_context import RunContext
from capas.trust.subjects.single_output import ModelUnderTest, SplitOutputs
from capas.trust.subjects.structured import OODFeatures

DETECTOR_FILE: Final = "unlike.safetensors"
RANGES: Final = "ranges"
FORMAT: Final = "capas-unlike-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class OODDetector:
    """The fitted scores of one model.

    Attributes:
        knn: k-nearest-neighbour score in the last layer's features.
        knn_multilayer: The same in concatenated features of two layers.
        autoencoder: Reconstruction score of images.
        combination: The combined score that decides, with its threshold.
        uses_energy: Whether the energy of the logits is a score.
        target_fpr: False alarm rate that the threshold was chosen for.
        weights_hash: Hash of the weights of the model that it belongs to.
        ranges: Ranges of plain measures of the inputs; None where there are none.
    """

    knn: KNNScore | None
    knn_multilayer: KNNScore | None
    autoencoder: ReconstructionScore | None
    combination: FisherCombination | None
    uses_energy: bool
    target_fpr: float
    weights_hash: str
    ranges: InputRanges | None = None

    def scores(
        self,
        adapter: InputAdapter,
        prepared: Sequence[object],
        outputs: ModelOutputs | SplitOutputs | None = None,
        measured: Sequence[object] | None = None,
    ) -> dict[str, Tensor]:
        """Return every score of inputs, (N) each.

        Args:
            adapter: What their medium contributes.
            prepared: The prepared inputs.
            outputs: What the network makes of them, where that is known.
            measured: The inputs as ``adapter.measures`` takes them, where the prepared ones say less.
        """
        found = forward_with_features(adapter.reader, prepared) if outputs is None else outputs
        scores = {} if self.knn is None else {"nearest": self.knn.score(found.features)}
        if self.uses_energy:
            scores["energy"] = energy(found.outputs)
        if self.knn_multilayer is not None:
            scores["nearest_wide"] = self.knn_multilayer.score(found.multilayer_features)
        if self.autoencoder is not None:
            parts = [prepared[start : start + BATCH] for start in range(0, len(prepared), BATCH)]
            drawn = [self.autoencoder.reconstruct(images_to_unit_range(part)).dissimilarity for part in parts]
            scores["reconstruction"] = torch.cat(drawn)
        if self.ranges is not None:
            scores[RANGES] = self.ranges.score(
                adapter.measures(prepared if measured is None else measured, self.ranges.state)
            )
        return scores

    def violations(self, adapter: InputAdapter, measured: Sequence[object]) -> list[RangeViolation | None]:
        """Return of each input the measure that alone refuses it; None where none does."""
        if self.ranges is None or self.combination is None or RANGES not in self.combination.names:
            return [None] * len(measured)
        return self.ranges.violations(adapter.measures(measured, self.ranges.state))

    def fitted(self, calibration: Mapping[str, Tensor]) -> "OODDetector":
        """Return the detector with its threshold, from the scores of calibration examples, those that are to count."""
        ranges = self.ranges
        if ranges is not None and RANGES in calibration:
            ranges = ranges.with_limit(calibration[RANGES], self.target_fpr)
        decisive = {} if ranges is None or RANGES not in calibration else {RANGES: ranges.limit}
        combination = FisherCombination.fit(calibration, target_fpr=self.target_fpr, decisive=decisive)
        return replace(self, ranges=ranges, combination=combination)

    def structured_scores(self, ood_features: Sequence[OODFeatures]) -> dict[str, Tensor]:
        """Return every score of inputs of a model with structured output, (N) each; the mean over an input's views."""
        scores: dict[str, Tensor] = {}
        if self.knn is not None:
            scores["nearest"] = self.knn.score(
                torch.stack([one.features for one in ood_features if one.features is not None])
            )
        if self.autoencoder is not None:
            views = [one.views for one in ood_features if one.views is not None]
            drawn = [self.autoencoder.reconstruct(part).dissimilarity.mean() for part in views]
            scores["reconstruction"] = torch.stack(drawn)
        return scores

    def heatmap(self, prepared: object) -> Tensor | None:
        """Return the reconstruction error of a prepared image (H, W), 0..1; None for other inputs."""
        return None if self.autoencoder is None else self.image_heatmap(images_to_unit_range([prepared]))

    def image_heatmap(self, picture: Float[Tensor, "1 C H W"]) -> Tensor | None:
        """Return the reconstruction error of an image in 0..1."""
        if self.autoencoder is None:
            return None
        heat = self.autoencoder.reconstruct(picture).heatmap[0]
        return heat / heat.max().clamp(min=0.25)

    def save(self, folder: Path) -> None:
        """Write the detector into the bundle's ``folder``. Raises CapasError."""
        assert self.combination is not None
        parts: dict[str, Mapping[str, Tensor]] = {"combined": self.combination.tensors()}
        if self.knn is not None:
            parts["nearest"] = self.knn.tensors()
        if self.knn_multilayer is not None:
            parts["wide"] = self.knn_multilayer.tensors()
        if self.autoencoder is not None:
            parts["reconstruction"] = self.autoencoder.tensors()
        if self.ranges is not None:
            parts[RANGES] = self.ranges.tensors()
        tensors = {f"{part}/{name}": t.contiguous() for part, held in parts.items() for name, t in held.items()}
        about = {"format": FORMAT, "weights": self.weights_hash, "false_alarms": repr(self.target_fpr),
                 "energetic": repr(self.uses_energy)}  # fmt: skip
        add_file(folder, DETECTOR_FILE, save(tensors, metadata=about))


def fit_detector(subject: ModelUnderTest, rng: torch.Generator, *, with_autoencoder: bool) -> OODDetector:
    """Fit the scores to the training examples, and their combination to the calibration examples.

    Without ``with_autoencoder`` no autoencoder is trained.
    """
    train, labels = subject.train, subject.train.targets
    if labels.ndim > 1:
        labels = torch.zeros(len(train), dtype=torch.long)
    pictures = subject.adapter.images is not None
    measures, state = subject.adapter.fit_measures(subject.measured_inputs(train))
    return OODDetector(
        knn=KNNScore.fit(train.features, labels, rng),
        knn_multilayer=KNNScore.fit(train.multilayer_features, labels, rng) if pictures else None,
        autoencoder=ReconstructionScore.fit(images_to_unit_range(train.prepared), rng)
        if pictures and with_autoencoder
        else None,
        combination=None,
        uses_energy=subject.run_context.task == "classify",
        target_fpr=subject.run_context.config.trust.target_fpr,
        weights_hash=subject.run_context.card.weights.hash,
        ranges=InputRanges.fit(measures, state),
    )


def fit_structured_detector(
    run_context: RunContext, ood_features: Sequence[OODFeatures], rng: torch.Generator, *, with_autoencoder: bool
) -> OODDetector:
    """Fit a detector for a model with structured output, from the features of its training examples."""
    features = [one.features for one in ood_features if one.features is not None]
    views = [one.views for one in ood_features if one.views is not None]
    return OODDetector(
        knn=KNNScore.fit(torch.stack(features), torch.zeros(len(features), dtype=torch.long), rng)
        if features
        else None,
        knn_multilayer=None,
        autoencoder=ReconstructionScore.fit(torch.cat(views), rng) if views and with_autoencoder else None,
        combination=None,
        uses_energy=False,
        target_fpr=run_context.config.trust.target_fpr,
        weights_hash=run_context.card.weights.hash,
    )


def load_detector(folder: Path, card: Card) -> OODDetector | None:
    """Return the detector of the bundle in ``folder``; None where there is none.

    Raises CapasError ``detector_damaged``.
    """
    path = folder / DETECTOR_FILE
    if DETECTOR_FILE not in card.files:
        return None
    try:
        if hash_file(path) != card.files[DETECTOR_FILE]:
            raise ValueError("altered")
        with safe_open(str(path), framework="pt") as stream:
            about = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (no mapping)
        if about.get("format") != FORMAT or about.get("weights") != card.weights.hash:
            raise ValueError(f"{about.get('format')}, {about.get('weights', '')[:8]}")
        return _restored(tensors, about)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CapasError("detector_damaged", where=path, received=str(error)[:200]) from error


def _restored(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> OODDetector:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, own = name.partition("/")
        parts.setdefault(part, {})[own] = tensor
    return OODDetector(
        knn=KNNScore.from_tensors(parts["nearest"]) if "nearest" in parts else None,
        knn_multilayer=KNNScore.from_tensors(parts["wide"]) if "wide" in parts else None,
        autoencoder=ReconstructionScore.from_tensors(parts["reconstruction"]) if "reconstruction" in parts else None,
        combination=FisherCombination.from_tensors(parts["combined"]),
        uses_energy=about["energetic"] == "True",
        target_fpr=float(about["false_alarms"]),
        weights_hash=about["weights"],
        ranges=InputRanges.from_tensors(parts[RANGES]) if RANGES in parts else None,
    )
