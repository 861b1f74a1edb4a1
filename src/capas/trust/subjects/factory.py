"""The kinds of models under test, as literal tables: what each contributes is in a file of its own.

A new kind of problem is one such file, and one row here.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from capas.data.collections import ExampleCollection
from capas.data.image.io import ImageCollection
from capas.engine.dataset_record import DatasetRecord
from capas.engine.predict import Model
from capas.engine.recipe import Predictor
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.embedding.predictor import EmbeddingPredictor
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.engine.recipes.restoration.predictor import RestorationPredictor
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.columns_beside.predictor import ReaderWithColumns
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.engine.recipes.transcription.predictor import TranscriptionPredictor
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.engine.recipes.unpaired_translation.predictor import UnpairedPredictor
from capas.trust.columns_beside.inputs import ColumnsBesideAdapter
from capas.trust.generation.adapter import GenerationAdapter
from capas.trust.generation.unpaired_adapter import UnpairedAdapter
from capas.trust.subjects.audio_frames import AudioFrameAdapter, AudioFrameFeatureExtractor
from capas.trust.subjects.audio_inputs import AudioInputAdapter
from capas.trust.subjects.embedding import EmbeddingAdapter, EmbeddingFeatureExtractor
from capas.trust.subjects.image_inputs import ImageInputAdapter
from capas.trust.subjects.input_adapter import InputAdapter
from capas.trust.subjects.restoration import RestorationAdapter, RestorationFeatureExtractor
from capas.trust.subjects.segmentation import SegmentationAdapter, SegmentationFeatureExtractor
from capas.trust.subjects.structured import OODFeatureExtractor, StructuredAdapter, StructuredModelUnderTest
from capas.trust.subjects.tabular_inputs import TabularInputAdapter
from capas.trust.subjects.text_inputs import TextInputAdapter
from capas.trust.subjects.token_labels import TokenLabelAdapter, TokenLabelFeatureExtractor
from capas.trust.subjects.transcription import TranscriptionAdapter, TranscriptionFeatureExtractor
from capas.trust.subjects.translation import TranslationAdapter
from capas.trust.subjects.type_table import look_up, row

P = TypeVar("P")
FeaturesOf = Callable[[object], OODFeatureExtractor | None]
AdapterOf = Callable[[object, ExampleCollection, ExampleCollection | None], StructuredAdapter | None]


def _kind(
    predictor: type[P],
    features: Callable[[P], OODFeatureExtractor | None],
    adapter: Callable[[P, ExampleCollection, ExampleCollection | None], StructuredAdapter],
) -> tuple[FeaturesOf, AdapterOf]:
    return row(predictor, features), row(predictor, adapter)


def _generation(
    model: GenerationPredictor, inputs: ExampleCollection, targets: ExampleCollection | None
) -> GenerationAdapter:
    assert isinstance(inputs, ImageCollection)
    return GenerationAdapter(model, inputs)


def _unpaired(
    model: UnpairedPredictor, inputs: ExampleCollection, targets: ExampleCollection | None
) -> UnpairedAdapter:
    assert isinstance(inputs, ImageCollection)
    return UnpairedAdapter(model, inputs)


# Models with structured output: the predictor, its OOD features (which need no data), its adapter.
STRUCTURED_KINDS: Final[tuple[tuple[FeaturesOf, AdapterOf], ...]] = (
    _kind(SegmentationPredictor, SegmentationFeatureExtractor, SegmentationAdapter),
    _kind(TokenClassificationPredictor, TokenLabelFeatureExtractor, TokenLabelAdapter),
    _kind(AudioFramesPredictor, AudioFrameFeatureExtractor, AudioFrameAdapter),
    _kind(TranscriptionPredictor, TranscriptionFeatureExtractor, TranscriptionAdapter),
    _kind(RestorationPredictor, RestorationFeatureExtractor, RestorationAdapter),
    _kind(EmbeddingPredictor, EmbeddingFeatureExtractor, EmbeddingAdapter),
    _kind(GenerationPredictor, lambda model: None, _generation),
    _kind(UnpairedPredictor, lambda model: None, _unpaired),
    _kind(TranslationPredictor, lambda model: None, lambda model, inputs, targets: TranslationAdapter()),
)
# Models with one output per example: what each medium contributes.
INPUT_ADAPTERS: Final[tuple[Callable[[object], InputAdapter | None], ...]] = (
    row(ImageReader, ImageInputAdapter),
    row(TextReader, TextInputAdapter),
    row(AudioReader, AudioInputAdapter),
    row(TabularReader, TabularInputAdapter),
    row(ReaderWithColumns, lambda reader: ColumnsBesideAdapter(reader, input_adapter(reader.content))),
)


def input_adapter(reader: InputReader[object]) -> InputAdapter:
    """Return the adapter of a reader. Raises ValueError for one that is in no row."""
    adapter = look_up(INPUT_ADAPTERS, reader)
    if adapter is None:
        raise ValueError(f"a {type(reader).__name__}; expected one of INPUT_ADAPTERS")
    return adapter


def structured_adapter(
    predictor: Predictor, inputs: ExampleCollection, targets: ExampleCollection | None
) -> StructuredAdapter | None:
    """Return the adapter of a predictor and its data; None where it has one output per example."""
    return look_up([adapter for _, adapter in STRUCTURED_KINDS], predictor, inputs, targets)


def structured_model_under_test(
    model: Model,
    record: DatasetRecord,
    inputs: ExampleCollection,
    targets: ExampleCollection | None,
    indices: Sequence[int],
    seed: int,
) -> StructuredModelUnderTest | None:
    """Return the model of a run with its examples; None where it has one output per example."""
    adapter = structured_adapter(model.predictor, inputs, targets)
    return None if adapter is None else StructuredModelUnderTest(adapter, record, indices, seed)


def ood_feature_extractor(predictor: Predictor) -> OODFeatureExtractor | None:
    """Return the feature extractor of a predictor with structured output; None for other predictors.

    It needs no data.
    """
    return look_up([features for features, _ in STRUCTURED_KINDS], predictor)
