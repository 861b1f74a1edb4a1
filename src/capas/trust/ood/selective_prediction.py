"""Selective prediction: inputs that the OOD detector rejects are refused, with a reason and a heatmap."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from capas.core.i18n import say
from capas.core.number_format import format_percent
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.shared.image_items import read_image_item
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.trust.explanations.heatmap_upsampling import upsample_heatmap
from capas.trust.ood.detector import OODDetector, load_detector
from capas.trust.ood.input_ranges import RangeViolation
from capas.trust.rendering.heatmap_overlay import overlay_heatmap
from capas.trust.subjects.factory import input_adapter, ood_feature_extractor
from capas.trust.subjects.input_adapter import InputAdapter
from capas.trust.subjects.structured import OODFeatureExtractor

HEATMAP_SUFFIX = ".unlike.png"
MAX_STATED_SHARE = 0.999  # more is not said: the check examples are some hundreds or thousands


def load_with_ood_gate(where: str | Path, *, device: str = "cpu", answer_all: bool = False) -> Model:
    """Load the model of a run or bundle, with the OOD gate where the trust report left a detector beside it.

    Out-of-distribution inputs are refused, or with ``answer_all`` predicted and marked. Raises CapasError.
    """
    model = load_model(where, device=device)
    detector = load_detector(model.bundle.folder, model.card)
    if detector is None:
        return model
    features = ood_feature_extractor(model.predictor)
    scorer: OODScorer | None = None
    if features is not None:
        scorer = StructuredOODScorer(detector, features)
    elif isinstance(model.predictor, SingleOutputPredictor):
        scorer = SingleOutputOODScorer(detector, input_adapter(model.predictor.reader))
    if scorer is not None:
        model.gate = SelectivePredictionGate(detector, scorer, answer_all=answer_all)
    return model


@dataclass(frozen=True, kw_only=True, slots=True)
class OutOfRange:
    """What lies outside the training range, and the sentence that says so."""

    violation: RangeViolation
    text: str

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas predict --json``."""
        one = self.violation
        value = None if math.isnan(one.value) else one.value
        return {"measure": one.measure, "value": value, "low": one.low, "high": one.high, "what": self.text}


@runtime_checkable
class OODScorer(Protocol):
    """Computes the detector's scores of prepared inputs."""

    def scores(self, items: Sequence[Item], prepared: Sequence[object]) -> dict[str, Tensor]:
        """Return every score of inputs, as they were given and prepared, (N) each."""

    def out_of_range(self, items: Sequence[Item], prepared: Sequence[object]) -> Sequence[OutOfRange | None]:
        """Return of each input what lies so far outside the training range that it is refused for that alone."""

    def heatmap_of(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        """Return an image of an input with its reconstruction error (0..1); None where there is none."""

    def display(self, prepared: object) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        """Return an image of a prepared input alone, and its reconstruction error, as far as there are any."""


class SingleOutputOODScorer:
    """``OODScorer`` of a model with one output per example."""

    def __init__(self, detector: OODDetector, adapter: InputAdapter) -> None:
        self.detector = detector
        self.adapter = adapter

    def scores(self, items: Sequence[Item], prepared: Sequence[object]) -> dict[str, Tensor]:
        return self.detector.scores(self.adapter, prepared, measured=self._measured(items, prepared))

    def out_of_range(self, items: Sequence[Item], prepared: Sequence[object]) -> Sequence[OutOfRange | None]:
        measured = self._measured(items, prepared)
        found = self.detector.violations(self.adapter, measured)
        return [None if one is None else self._told(one, what) for one, what in zip(found, measured, strict=True)]

    def _measured(self, items: Sequence[Item], prepared: Sequence[object]) -> list[object]:
        return [self.adapter.measured_input(item, one) for item, one in zip(items, prepared, strict=True)]

    def _told(self, one: RangeViolation, measured: object) -> OutOfRange:
        label = self.adapter.measure_label(one.measure)
        if math.isnan(one.value):
            return OutOfRange(violation=one, text=say("trust.unlike.missing", label=label))
        value, low, high = (
            self.adapter.measured_value(measured, one.measure, x) for x in (one.value, one.low, one.high)
        )
        if self.adapter.is_category(one.measure):
            return OutOfRange(violation=one, text=say("trust.unlike.unknown", label=label, value=value))
        text = say("trust.unlike.out_of_range", label=label, value=value, low=low, high=high)
        return OutOfRange(violation=one, text=text)

    def heatmap_of(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        images = self.adapter.images
        heat = None if images is None else self.detector.heatmap(prepared)
        if images is None or heat is None:
            return None
        return upsample_heatmap(read_image_item(item), heat.numpy(), images.preparation)

    def display(self, prepared: object) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        heat = self.detector.heatmap(prepared)
        return self.adapter.display_image(prepared), None if heat is None else heat.numpy()


class StructuredOODScorer:
    """``OODScorer`` of a model with structured output."""

    def __init__(self, detector: OODDetector, feature_extractor: OODFeatureExtractor) -> None:
        self.detector = detector
        self.feature_extractor = feature_extractor

    def scores(self, items: Sequence[Item], prepared: Sequence[object]) -> dict[str, Tensor]:
        return self.detector.structured_scores([self.feature_extractor.ood_features(one) for one in prepared])

    def out_of_range(self, items: Sequence[Item], prepared: Sequence[object]) -> Sequence[OutOfRange | None]:
        """Return none: such inputs have no measured ranges."""
        return [None] * len(prepared)

    def heatmap_of(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        return self._reconstruction(prepared)

    def _reconstruction(self, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        picture = self.feature_extractor.heatmap_background(prepared)
        sensed = self.feature_extractor.ood_features(prepared)
        if picture is None or sensed.views is None or not sensed.is_whole_image:
            return None
        heat = self.detector.image_heatmap(sensed.views)
        if heat is None:
            return None
        size = (picture.shape[0], picture.shape[1])
        return picture, functional.interpolate(heat[None, None], size, mode="bilinear")[0, 0].numpy()

    def display(self, prepared: object) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        both = self._reconstruction(prepared)
        return (self.feature_extractor.display_image(prepared), None) if both is None else both


class SelectivePredictionGate:
    """Post-processes a model's predictions: refuses or marks those of out-of-distribution inputs."""

    def __init__(self, detector: OODDetector, scorer: OODScorer, *, answer_all: bool) -> None:
        self.detector = detector
        self.scorer = scorer
        self.answer_all = answer_all

    def __call__(
        self, items: Sequence[Item], prepared: Sequence[object], answers: Sequence[Prediction]
    ) -> list[Prediction]:
        """Return the predictions with each input's percentile; out-of-distribution ones are refused, or marked."""
        combined = self.detector.combination
        assert combined is not None
        scores = self.scorer.scores(items, prepared)
        shares, unusual = combined.in_distribution_percentile(scores).tolist(), combined.is_ood(scores).tolist()
        outside = self.scorer.out_of_range(items, prepared) if any(unusual) else [None] * len(items)
        return [
            self._refused(item, one, answer, share, far) if flagged else _marked(answer, share, flagged=False)
            for item, one, answer, share, flagged, far in zip(
                items, prepared, answers, shares, unusual, outside, strict=True
            )
        ]

    def _refused(
        self, item: Item, prepared: object, answer: Prediction, share: float, outside: OutOfRange | None
    ) -> Prediction:
        if self.answer_all:
            return _marked(answer, share, flagged=True, outside=outside)
        shown = self.scorer.heatmap_of(item, prepared)
        files = {}
        if shown is not None:
            stream = io.BytesIO()
            Image.fromarray(overlay_heatmap(*shown)).save(stream, "PNG")
            files = {HEATMAP_SUFFIX: stream.getvalue()}
        if outside is None:
            reason = say("trust.unlike.refusal", share=format_percent(min(share, MAX_STATED_SHARE)))
        else:
            reason = say("trust.unlike.refusal_outside", what=outside.text)
        facts = _facts(share, flagged=True, outside=outside)
        return Prediction(input=answer.input, refused=reason, facts=facts, files=files)


def _marked(answer: Prediction, share: float, *, flagged: bool, outside: OutOfRange | None = None) -> Prediction:
    return replace(answer, facts={**answer.facts, **_facts(share, flagged=flagged, outside=outside)})


def _facts(share: float, *, flagged: bool, outside: OutOfRange | None = None) -> dict[str, object]:
    facts: dict[str, object] = {"more_unusual_than": round(share, 4), "unlike_training_data": flagged}
    return facts if outside is None else {**facts, "outside_training_range": outside.as_json()}
