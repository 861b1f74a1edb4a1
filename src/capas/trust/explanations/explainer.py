"""Explanation of a single prediction: a heatmap over an image or spectrogram, or attributions of words and columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.shared.image_items import read_image_item
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.trust.explanations.cross_attention import (
    CROSS_ATTENTION_METHOD,
    TranslationExplanation,
    explain_translation,
)
from capas.trust.explanations.feature_ablation import leave_one_out_attributions
from capas.trust.explanations.heatmap_upsampling import upsample_heatmap
from capas.trust.explanations.image_explainers import grad_cam_map, saliency_functions
from capas.trust.subjects.factory import input_adapter
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range
from capas.trust.subjects.type_table import look_up, row

STEPS = 64
IMAGE_METHODS: Final = ("integrated_gradients", "occlusion", "gradient", "grad_cam")


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The explanation of one prediction.

    Attributes:
        prediction: What the model predicts.
        explained_output: The class, tag or number that is explained.
        method: Name of the explanation method.
        attributions: Features with their weights, for text, rows and audio: probability lost without the feature
            (classes), change in the number's unit, or share of the attention.
        image: The image or spectrogram to look at, 2048 pixels a side at most.
        heatmap: Evidence for the output, shape (H, W), 0..1.
    """

    prediction: Prediction
    explained_output: str
    method: str
    attributions: Sequence[tuple[str, float]] = ()
    image: NDArray[np.uint8] | None = None
    heatmap: NDArray[np.float32] | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas explain --json``."""
        return {
            **self.prediction.as_json(),
            "explained": self.explained_output,
            "method": self.method,
            "parts": [{"part": name, "weight": round(weight, 6)} for name, weight in self.attributions],
        }


AnyExplanation = Explanation | TranslationExplanation
ExplainFunction = Callable[[Item, str | None], AnyExplanation]


def make_explainer(model: Model, method: str | None = None) -> ExplainFunction:
    """Return a function that explains one input, given with the output to explain (None for the predicted one).

    Args:
        model: The model to explain.
        method: Name of the explanation method; None for the default of the medium.

    Raises:
        CapasError: ``explain_other_kind`` or ``no_such_way``.
    """
    explain = look_up(EXPLAINERS, model.predictor, model.card.spec, method)
    if explain is None:
        received = f"{model.card.task} ({model.card.medium})"
        raise CapasError("explain_other_kind", where=model.bundle.folder, received=received)
    return explain


def _translation_explainer(predictor: TranslationPredictor, spec: Spec, method: str | None) -> ExplainFunction:
    if method not in (None, CROSS_ATTENTION_METHOD):
        raise CapasError("no_such_way", where="--method", received=method, known=CROSS_ATTENTION_METHOD)

    def explain(item: Item, of: str | None) -> TranslationExplanation:
        if of is not None:
            raise CapasError("no_such_answer", where="--of", received=of, known="–")
        return explain_translation(predictor, item)

    return explain


class Explainer:
    """Explains a model with one output per input, by ``method`` or by the default of its medium.

    Raises:
        CapasError: ``no_such_way`` for an unknown method.
    """

    def __init__(self, predictor: SingleOutputPredictor[object], spec: Spec, method: str | None = None) -> None:
        self.predictor = predictor
        self.adapter = input_adapter(predictor.reader)
        self.spec = spec
        ways = self._ways()
        if method is not None and method not in ways:
            raise CapasError("no_such_way", where="--method", received=method, known=", ".join(ways))
        self.method = method or ways[0]

    def _ways(self) -> tuple[str, ...]:
        return IMAGE_METHODS if self.adapter.images is not None else ("leave_one_out", *self.adapter.attention_methods)

    def explain(self, item: Item, requested: str | None = None) -> Explanation:
        """Explain one input; ``requested`` names another class, tag or number than the predicted one.

        Raises:
            CapasError: The input cannot be read, or the model has no such output.
        """
        prepared = self.predictor.preprocess(item)
        (answer,) = self.predictor.predict([item.name], [prepared])
        output, name = self._output(prepared, requested)
        images = self.adapter.images
        if images is not None:
            heat = self._heat(images, prepared, output)
            picture, laid = upsample_heatmap(read_image_item(item), heat, images.preparation)
            return Explanation(
                prediction=answer, explained_output=name, method=self.method, image=picture, heatmap=laid
            )
        names, weights = self._weights(item, prepared, output)
        listed = list(zip(names, weights.tolist(), strict=True))
        # Parts and columns together are no stretches of time: they are told in numbers.
        shown = self.adapter.display_image(prepared) if self.adapter.content is None else None
        over = None if shown is None else _over_time(weights, shown.shape[:2])
        return Explanation(
            prediction=answer, explained_output=name, method=self.method, attributions=listed, image=shown, heatmap=over
        )

    @torch.no_grad()
    def _answers(self, prepared: Sequence[object]) -> Tensor:
        outputs: Tensor = self.predictor.network(self.predictor.reader.collate(prepared))
        return self.predictor.output_head.activate(outputs.float())

    def _output(self, prepared: object, of: str | None) -> tuple[int, str]:
        names = list(self.spec.classes) or [field.name for field in self.spec.targets]
        if of is not None:
            if of not in names:
                raise CapasError("no_such_answer", where="--of", received=of, known=", ".join(names[:20]))
            return names.index(of), of
        best = int(self._answers([prepared])[0].argmax()) if self.spec.classes else 0
        return best, names[best]

    def _heat(self, reader: ImageReader, prepared: object, output: int) -> NDArray[np.float32]:
        """What speaks for the answer, at the size that the network sees: 0..1."""
        x = images_to_unit_range([prepared])
        background = torch.tensor(reader.preparation.mean).view(-1, 1, 1).expand_as(x[0])
        ways = {**saliency_functions(background, STEPS), "grad_cam": grad_cam_map}
        heat = ways[self.method](UnitRangeImageModel(reader), x, torch.tensor([output]))[0].clamp(min=0)
        shares: NDArray[np.float32] = (heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)).clamp(0, 1).numpy()
        return shares

    def _weights(self, item: Item, prepared: object, output: int) -> tuple[Sequence[str], Tensor]:
        """What each part brings, or its share of the attention."""
        parts = self.adapter.item_ablation_features(item, prepared)
        assert parts is not None
        if self.method in self.adapter.attention_methods:
            return parts.names, self.adapter.attention(parts.names, str(prepared))[self.method]
        found = leave_one_out_attributions(parts, lambda inputs: self._answers(inputs)[:, output].float())
        return found.names, found.weights


def _over_time(weights: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weights of stretches of time as columns of a spectrogram."""
    weights = weights.clamp(min=0)
    weights = (weights / weights.max().clamp(min=1e-12)).float()
    columns = torch.nn.functional.interpolate(weights[None, None], size=shape[1], mode="nearest")[0, 0]
    heat: NDArray[np.float32] = columns.expand(shape[0], -1).numpy()
    return heat


EXPLAINERS: Final[tuple[Callable[[object, Spec, str | None], ExplainFunction | None], ...]] = (
    row(SingleOutputPredictor, lambda predictor, spec, method: Explainer(predictor, spec, method).explain),
    row(TranslationPredictor, _translation_explainer),
)
