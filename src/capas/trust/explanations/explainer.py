"""Explanation of a single prediction: a heatmap over an image or spectrogram, or attributions of words and columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.tabular.columns import Cell
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.shared.image_items import read_image_item
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.trust.explanations.attention_maps import ATTENTION_METHODS, attention_network, attention_to_words
from capas.trust.explanations.cross_attention import (
    CROSS_ATTENTION_METHOD,
    TranslationExplanation,
    explain_translation,
)
from capas.trust.explanations.feature_ablation import (
    AblationFeatures,
    baseline_cells,
    column_features,
    leave_one_out_attributions,
    time_segment_features,
    word_features,
)
from capas.trust.explanations.heatmap_upsampling import upsample_heatmap
from capas.trust.explanations.image_explainers import grad_cam_map, saliency_functions
from capas.trust.subjects.display_images import display_image_of
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range

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


def make_explainer(model: Model, method: str | None = None) -> Callable[[Item, str | None], AnyExplanation]:
    """Return a function that explains one input, given with the output to explain (None for the predicted one).

    Args:
        model: The model to explain.
        method: Name of the explanation method; None for the default of the medium.

    Raises:
        CapasError: ``explain_other_kind`` or ``no_such_way``.
    """
    if isinstance(model.predictor, SingleOutputPredictor):
        return Explainer(model.predictor, model.card.spec, method).explain
    if not isinstance(model.predictor, TranslationPredictor):
        received = f"{model.card.task} ({model.card.medium})"
        raise CapasError("explain_other_kind", where=model.bundle.folder, received=received)
    if method not in (None, CROSS_ATTENTION_METHOD):
        raise CapasError("no_such_way", where="--method", received=method, known=CROSS_ATTENTION_METHOD)
    translator = model.predictor

    def explain(item: Item, of: str | None) -> TranslationExplanation:
        if of is not None:
            raise CapasError("no_such_answer", where="--of", received=of, known="–")
        return explain_translation(translator, item)

    return explain


class Explainer:
    """Explains a model with one output per input, by ``method`` or by the default of its medium.

    Raises:
        CapasError: ``no_such_way`` for an unknown method.
    """

    def __init__(self, predictor: SingleOutputPredictor[object], spec: Spec, method: str | None = None) -> None:
        self.predictor = predictor
        self.reader = predictor.reader
        self.spec = spec
        ways = self._ways()
        if method is not None and method not in ways:
            raise CapasError("no_such_way", where="--method", received=method, known=", ".join(ways))
        self.method = method or ways[0]

    def _ways(self) -> tuple[str, ...]:
        if isinstance(self.reader, ImageReader):
            return IMAGE_METHODS
        return ("leave_one_out", *(ATTENTION_METHODS if attention_network(self.reader) is not None else ()))

    def explain(self, item: Item, requested: str | None = None) -> Explanation:
        """Explain one input; ``requested`` names another class, tag or number than the predicted one.

        Raises:
            CapasError: The input cannot be read, or the model has no such output.
        """
        prepared = self.reader.preprocess(item)
        (answer,) = self.predictor.predict([item.name], [prepared])
        output, name = self._output(prepared, requested)
        if isinstance(self.reader, ImageReader):
            heat = self._heat(self.reader, prepared, output)
            picture, laid = upsample_heatmap(read_image_item(item), heat, self.reader.preparation)
            return Explanation(
                prediction=answer, explained_output=name, method=self.method, image=picture, heatmap=laid
            )
        names, weights = self._weights(item, prepared, output)
        listed = list(zip(names, weights.tolist(), strict=True))
        shown = None
        if isinstance(self.reader, AudioReader):
            shown = display_image_of(self.reader, prepared)
        over = None if shown is None else _over_time(weights, shown.shape[:2])
        return Explanation(
            prediction=answer, explained_output=name, method=self.method, attributions=listed, image=shown, heatmap=over
        )

    @torch.no_grad()
    def _answers(self, prepared: Sequence[object]) -> Tensor:
        outputs: Tensor = self.predictor.network(self.reader.collate(prepared))
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
        parts = self._parts(item, prepared)
        if isinstance(self.reader, TextReader) and self.method in ATTENTION_METHODS:
            return parts.names, attention_to_words(self.reader, parts.names, str(prepared))[self.method]
        found = leave_one_out_attributions(parts, lambda inputs: self._answers(inputs)[:, output].float())
        return found.names, found.weights

    def _parts(self, item: Item, prepared: object) -> AblationFeatures:
        if isinstance(self.reader, TextReader):
            return word_features(str(prepared))
        if isinstance(self.reader, AudioReader):
            assert isinstance(prepared, np.ndarray)
            return time_segment_features(prepared, self.reader.preparation.rate)
        assert isinstance(self.reader, TabularReader)
        row = cast(Mapping[str, Cell], item.content)
        return column_features(self.reader, row, baseline_cells(self.reader.preparation))


def _over_time(weights: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weights of stretches of time as columns of a spectrogram."""
    weights = weights.clamp(min=0)
    weights = (weights / weights.max().clamp(min=1e-12)).float()
    columns = torch.nn.functional.interpolate(weights[None, None], size=shape[1], mode="nearest")[0, 0]
    heat: NDArray[np.float32] = columns.expand(shape[0], -1).numpy()
    return heat
