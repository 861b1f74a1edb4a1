"""Models made by hand, with runs of a few examples: what they answer can be computed on paper."""

import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.card import Card, DataCard, FieldCard, NetworkCard, ProvenanceCard, WeightsCard
from capas.bundle.read import Bundle
from capas.core.spec import Field, FieldKind, Spec, TaskName
from capas.data.collections import AudioFiles, ExampleCollection, TableRows, TextCollection
from capas.data.image.io import ImageArray
from capas.data.image.masks import ClassMap, MaskFiles
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.segmentation_transforms import mask_png
from capas.data.naming import SplitName
from capas.data.sources.source import DataSource
from capas.data.tabular.columns import Cell, TableColumn, column_from_cells
from capas.data.tabular.preprocess import ColumnEncoding, EncodedRows, TabularPreprocessing
from capas.data.targets import Label
from capas.data.text.vocabulary import WordVocabulary
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.predict import Model
from capas.engine.recipe import Predictor
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.shared.spectrograms import AudioPreparation, Spectrograms
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.encodings import PaddedTokenIds, TokenIdEncoding
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.engine.run import Run
from capas.trust.rendering.blocks import Block, Grid
from capas.trust.subjects.audio_frames import AudioFrameAdapter
from capas.trust.subjects.restoration import RestorationAdapter
from capas.trust.subjects.run_context import RunContext
from capas.trust.subjects.segmentation import SegmentationAdapter
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.subjects.structured import (
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    StructuredAdapter,
    StructuredModelUnderTest,
)
from capas.trust.subjects.token_labels import TokenLabelAdapter
from capas.trust.subjects.transcription import TranscriptionAdapter
from capas.trust.subjects.translation import TranslationAdapter
from capas.trust.theme_context import Level, ThemeContext

SIDE = 8
UNSCALED = ImagePreprocessing(height=SIDE, width=SIDE, channels=1, mean=(0.0,), std=(1.0,))
AUDIO = AudioPreparation(rate=8000, seconds=1.0, num_mels=8)
TARGET_KINDS: Mapping[TaskName, FieldKind] = {
    "classify": "category", "tag": "tags", "regress": "number", "label": "mask", "transform": "image",
    "transcribe": "transcript", "translate": "text",
}  # fmt: skip


class Halves(nn.Module):
    """Logits (B, 2) ± ``scale`` · (mean of the left half − mean of the right half): class 0 where the left is lighter.

    The map of its convolution is the picture itself.
    """

    def __init__(self, scale: float = 8.0, side: int = SIDE) -> None:
        super().__init__()
        self.map = nn.Conv2d(1, 1, 1, bias=False)
        self.output = nn.Linear(side * side, 2, bias=False)
        left = torch.full((side, side), -1.0)
        left[:, : side // 2] = 1
        with torch.no_grad():
            self.map.weight.fill_(1)
            self.output.weight.copy_(torch.stack([left, -left]).flatten(1) * scale * 2 / side**2)
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.output(self.map(pictures).flatten(1))
        return logits


class Linearly(nn.Module):
    """One linear layer, with ``weight`` (K, D) and without bias, on what ``features_of`` returns."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.output = nn.Linear(weight.shape[1], len(weight))
        with torch.no_grad():
            self.output.weight.copy_(weight)
            self.output.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)
        self.eval()

    def features_of(self, inputs: object) -> Tensor:
        assert isinstance(inputs, Tensor)
        return inputs.flatten(1)

    def forward(self, inputs: object) -> Tensor:
        logits: Tensor = self.output(self.features_of(inputs))
        return logits


class OfNumbers(Linearly):
    """On the numbers of rows, 0 where one is missing."""

    def features_of(self, inputs: object) -> Tensor:
        assert isinstance(inputs, EncodedRows)
        return inputs.numbers.nan_to_num(0.0)


class OfBands(Linearly):
    """On the mean of every mel band over the frames of a sound."""

    def features_of(self, inputs: object) -> Tensor:
        assert isinstance(inputs, Spectrograms)
        return inputs.values.mean(2)


class OfWords(Linearly):
    """On how often each token of the vocabulary occurs in a text."""

    def features_of(self, inputs: object) -> Tensor:
        assert isinstance(inputs, PaddedTokenIds)
        counts = torch.zeros(len(inputs.tokens), self.output.in_features)
        for row, (tokens, length) in enumerate(zip(inputs.tokens, inputs.lengths.tolist(), strict=True)):
            counts[row] = torch.bincount(tokens[:length], minlength=self.output.in_features)
        return counts


def half_pictures(labels: Sequence[int], seed: int = 0) -> ImageArray:
    """Pictures 8×8 with the left half light (class 0) or the right one (class 1), no two alike."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(40, 80, (len(labels), SIDE, SIDE), dtype=np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[:, label * SIDE // 2 : (label + 1) * SIDE // 2] += 120
    return ImageArray(pictures, "pictures")


def images_reader(network: nn.Module | None = None) -> ImageReader:
    return ImageReader(network or Halves(), UNSCALED)


def words_reader(weights: Mapping[str, float]) -> TextReader:
    """A classifier of two: the logits of a text are 0, and the sum of the ``weights`` of its words."""
    vocabulary = WordVocabulary(list(weights))
    weight = torch.zeros(2, len(vocabulary))
    for word, value in weights.items():
        weight[1, vocabulary.ids[word]] = value
    return TextReader(OfWords(weight), TokenIdEncoding(vocabulary))


def rows_reader(weights: Mapping[str, float]) -> TabularReader:
    """A classifier of two: the logits of a row are 0, and the sum of its numbers times the ``weights``."""
    columns = tuple(ColumnEncoding(name=name, kind="number", mean=(0.0,), std=(1.0,)) for name in weights)
    weight = torch.stack([torch.zeros(len(weights)), torch.tensor(list(weights.values()))])
    return TabularReader(OfNumbers(weight), TabularPreprocessing(columns=columns))


def sounds_reader(scale: float = 1.0) -> AudioReader:
    """A classifier of two: class 1 where the upper bands are louder than the lower ones."""
    upper = torch.tensor([-1.0] * 4 + [1.0] * 4) / 4
    return AudioReader(OfBands(scale * torch.stack([-upper, upper])), AUDIO)


def tone(hz: float, seconds: float, *, loudness: float = 0.5, rate: int = AUDIO.rate) -> NDArray[np.float32]:
    return (loudness * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_sounds(folder: Path, waves: Sequence[NDArray[np.float32]], rate: int = AUDIO.rate) -> AudioFiles:
    """16-bit wav files."""
    paths = [folder / f"{i}.wav" for i in range(len(waves))]
    for path, samples in zip(paths, waves, strict=True):
        with wave.open(str(path), "wb") as stream:
            stream.setparams((1, 2, rate, 0, "NONE", ""))
            stream.writeframes((samples * 32767).astype("<i2").tobytes())
    return AudioFiles(paths, folder)


def table_rows(columns: Mapping[str, Sequence[Cell]]) -> TableRows:
    count = len(next(iter(columns.values())))
    return TableRows({name: column_from_cells(list(cells)) for name, cells in columns.items()},
                     [f"t.csv:{i}" for i in range(count)])  # fmt: skip


def texts_of(texts: Sequence[str]) -> TextCollection:
    return TextCollection(texts, [f"t.csv:{i}" for i in range(len(texts))])


def write_masks(folder: Path, masks: NDArray[np.uint8], classes: Sequence[str]) -> MaskFiles:
    """Mask files of pictures (N, H, W)."""
    palette = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=1)
    paths = [folder / f"mask{i}.png" for i in range(len(masks))]
    for path, mask in zip(paths, masks, strict=True):
        path.write_bytes(mask_png(mask, palette))
    return MaskFiles(paths, folder, ClassMap(names=dict(enumerate(classes))))


class Light(nn.Module):
    """Of every pixel the logits 0 and ``scale`` · (x − 1/2): class 1 where it is light."""

    def __init__(self, scale: float = 10.0) -> None:
        super().__init__()
        self.scores = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.scores.weight.copy_(torch.tensor([0.0, scale]).view(2, 1, 1, 1))
            self.scores.bias.copy_(torch.tensor([0.0, -scale / 2]))  # type: ignore[union-attr]
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.scores(pictures)
        return logits


def light_predictor(scale: float = 10.0) -> SegmentationPredictor:
    return SegmentationPredictor(Light(scale), UNSCALED, ("dark", "light"))


def made_card(spec: Spec, metrics: Mapping[str, object] | None = None) -> Card:
    def fields(found: Sequence[Field]) -> list[FieldCard]:
        return [FieldCard(name=one.name, kind=one.kind, unit=one.unit) for one in found]

    return Card(
        name="made", task=spec.task, medium=spec.medium, inputs=fields(spec.inputs), targets=fields(spec.targets),
        classes=list(spec.classes), network=NetworkCard(name="made", settings={}, parameters=0, paper=""),
        weights=WeightsCard(hash="a" * 32, bytes=0, started_from=""), data=DataCard(source="made", splits={}),
        metrics=dict(metrics or {"accuracy": {"value": 1.0, "n": 1, "interval": [0.2, 1.0]}}), baseline={},
        per_class={}, limits=[],
        provenance=ProvenanceCard(capas="", torch="", processor="", created="", seed=0, seconds=0.0, steps=0,
                                  device="cpu", precision="float32", memory_format="contiguous", threads=1),
    )  # fmt: skip


class HandMade(Model):
    """A predictor that was not loaded from any bundle."""

    def __init__(self, predictor: Predictor, card: Card, folder: Path) -> None:
        self.bundle = Bundle(folder=folder, card=card, tensors={}, files={})
        self.gate = None
        self.device = torch.device("cpu")
        self.predictor = predictor


def made_context(
    inputs: ExampleCollection, labels: Sequence[Label], splits: Sequence[SplitName], *,
    task: TaskName = "classify", kind: FieldKind = "image", classes: Sequence[str] = (), units: Sequence[str] = ("",),
    metrics: Mapping[str, object] | None = None, columns: Mapping[str, TableColumn] | None = None,
    targets: ExampleCollection | None = None, structured: StructuredModelUnderTest | None = None,
    settings: Mapping[str, object] | None = None, folder: Path = Path(),
) -> RunContext:  # fmt: skip
    """A run on these examples, all of which it uses, in their order; it has been trained with ``settings``."""
    numbers = tuple(Field(name=f"target{k}" if k else "target", kind=TARGET_KINDS[task], unit=unit)
                    for k, unit in enumerate(units))  # fmt: skip
    fields = tuple(
        Field(name=name, kind="number") for name in (inputs.columns if isinstance(inputs, TableRows) else ())
    )
    spec = Spec(inputs=fields or (Field(name="input", kind=kind),), target=numbers[0], further_targets=numbers[1:],
                task=task, classes=tuple(classes))  # fmt: skip
    record = DatasetRecord(
        source="made", spec=spec, names=tuple(inputs.name(i) for i in range(len(inputs))),
        hashes=tuple(inputs.content_hash(i) for i in range(len(inputs))), labels=tuple(labels), splits=tuple(splits),
    )  # fmt: skip
    source = DataSource(
        root="made", layout="table", files=inputs, columns=dict(columns or {}), fixed_split=(None,) * len(inputs),
        problems=(), evidence=(), targets=targets,
    )  # fmt: skip
    figures = dict(metrics or {"metrics": {"accuracy": {"value": 1.0, "n": 1, "interval": [0.2, 1.0]}}, "baseline": {}})
    return RunContext(
        run=Run(folder=folder), card=made_card(spec), record=record, config=Config().merged(dict(settings or {})),
        source=source, indices=list(range(len(inputs))), inputs=inputs, metrics=figures, structured=structured,
    )  # fmt: skip


def made_subject(context: RunContext, reader: InputReader[object], head: OutputHead | None = None) -> ModelUnderTest:
    """The model of ``context``: ``reader`` with a head for its classes, or ``head``."""
    predictor = SingleOutputPredictor(reader, head or ClassHead(context.classes), context.record.spec)
    return ModelUnderTest(context, HandMade(predictor, context.card, context.run.bundle))


def halves_subject(
    labels: Sequence[int], splits: Sequence[SplitName], *, network: nn.Module | None = None, seed: int = 0,
    seen: Sequence[int] | None = None, folder: Path = Path(), settings: Mapping[str, object] | None = None,
) -> ModelUnderTest:  # fmt: skip
    """A classifier of ``half_pictures``, which show the classes ``seen``, by default what their labels say."""
    pictures = half_pictures(labels if seen is None else seen, seed)
    context = made_context(pictures, list(labels), splits, classes=("left", "right"), folder=folder, settings=settings)
    return made_subject(context, images_reader(network))


def asked(subject: ModelUnderTest, level: Level = "standard") -> ThemeContext:
    return ThemeContext(run_context=subject.run_context, subject=subject, level=level)


STRUCTURED_ADAPTERS: Mapping[str, type[StructuredAdapter]] = {
    "masks": SegmentationAdapter, "words": TokenLabelAdapter, "frames": AudioFrameAdapter,
    "transcripts": TranscriptionAdapter, "transforms": RestorationAdapter, "translations": TranslationAdapter,
}  # fmt: skip


@dataclass
class StubAdapter(StructuredAdapter):
    """A ``StructuredAdapter`` that says of every example of the source what it was told to."""

    kind: str
    evaluations: Mapping[int, ExampleEvaluation] = field(default_factory=dict)
    max_examples: int = 1000
    feature_extractor: OODFeatureExtractor | None = None
    heatmap: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        real = STRUCTURED_ADAPTERS[self.kind]
        self.statements, self.no_attacks = real.statements, real.no_attacks
        self.no_explanations = real.no_explanations

    def prepared(self, index: int) -> object:
        return index

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation | None:
        return self.evaluations.get(index)

    def label_issue_heatmap(self, index: int, issue: LabelIssue) -> NDArray[np.float32] | None:
        return self.heatmap


def grid(blocks: Sequence[Block], title: str) -> Grid:
    """The table of this title."""
    (found,) = [block for block in blocks if isinstance(block, Grid) and block.title == title]
    return found
