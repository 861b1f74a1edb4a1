"""A trained generator in use: it draws, and answers nothing."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.spec import Spec
from capas.data.image.io import ImageCollection
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.dataset_record import label_text
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.generation.evaluate import KnownImages, evaluate_generator
from capas.engine.recipes.generation.families import family_named
from capas.engine.recipes.generation.prompts import Captions, PromptEncoder
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.engine.recipes.shared.image_items import read_image_item
from capas.sampling.generator import ImageGenerator
from capas.sampling.pixels import to_unit_range


class GenerationPredictor:
    """A trained generator (``Predictor``, of which it can do little).

    Args:
        network: The deployed network, in evaluation mode.
        settings: Its settings.
        preparation: Size and channels of its images.
        spec: What was learnt.
        prompts: Makes vectors of texts; None where it is not told what to draw in words.
    """

    def __init__(
        self, network: nn.Module, settings: GeneratorSettings, preparation: ImagePreprocessing, spec: Spec,
        prompts: PromptEncoder | None = None,
    ) -> None:  # fmt: skip
        self.network = network
        self.settings = settings
        self.preparation = preparation
        self.spec = spec
        self.prompts = prompts

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that can be asked for."""
        return () if self.spec.captioned else self.spec.classes

    @property
    def generator(self) -> ImageGenerator:
        """What draws images."""
        return family_named(self.settings.name).generator(self.network, self.settings)

    def prepare(self, item: Item) -> Tensor:
        """Return an image as the network knows them, (C, H, W) in [-1, 1]. Raises CapasError where it is none."""
        pixels = self.preparation.fit_image(read_image_item(item))
        return to_unit_range(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])[0]

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        raise _answers_nothing()

    def item(self, content: object, number: int) -> Item:
        raise _answers_nothing()

    def preprocess(self, item: Item) -> object:
        raise _answers_nothing()

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        raise _answers_nothing()

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        pictures = report.inputs
        assert isinstance(pictures, ImageCollection)
        images = torch.stack([self.prepare(Item(name=pictures.name(i), content=pictures.decode(i))) for i in indices])
        said = [label_text(report.detection.spec, report.labels[i]) for i in indices]
        classes, captions = None, None
        if self.prompts is not None:
            captions = Captions(texts=said, vectors=self.prompts.encode(said))
        elif self.classes:
            classes = torch.tensor([self.classes.index(name) for name in said])
        names = [pictures.name(i) for i in indices]
        known = KnownImages(names=names, images=images, classes=classes, captions=captions)
        return evaluate_generator(self.generator, known, train=None, class_names=self.classes, seed=0)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        raise CapasError("export_not_possible", received="generate (image)", reason=say("export.drawn_from_noise"))


def _answers_nothing() -> CapasError:
    return CapasError("generates_not_predicts", where="capas predict")
