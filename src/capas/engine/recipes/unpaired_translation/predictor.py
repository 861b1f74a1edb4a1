"""Trained translators in use: each image becomes one of the other collection."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.image.io import ImageCollection
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.dataset_record import label_text
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.shared.image_items import image_item, image_items, read_image_item
from capas.engine.recipes.unpaired_translation.data import Collection
from capas.engine.recipes.unpaired_translation.evaluate import evaluate_translators
from capas.engine.recipes.unpaired_translation.export import exportable_translator
from capas.engine.recipes.unpaired_translation.settings import TranslatorSettings
from capas.engine.recipes.unpaired_translation.translators import Directions
from capas.objectives.generative.cycle_consistency import A_TO_B, B_TO_A
from capas.sampling.pixels import to_pixels, to_unit_range


class UnpairedPredictor:
    """Trained translators (``Predictor``), turned in one direction.

    Args:
        network: Both translators, in evaluation mode.
        settings: Their settings.
        preparation: Size and channels of their images.
        spec: What was learnt; its classes are the two collections.
        target: Which collection images are turned into: 0 or 1.
    """

    def __init__(
        self, network: nn.ModuleDict, settings: TranslatorSettings, preparation: ImagePreprocessing, spec: Spec,
        target: int = 1,
    ) -> None:  # fmt: skip
        self._network = network
        self.settings = settings
        self.preparation = preparation
        self.spec = spec
        self.target = target

    @property
    def network(self) -> nn.Module:
        return self._network

    @property
    def directions(self) -> Directions:
        """Both translators."""
        return Directions(networks=self._network)

    @property
    def collections(self) -> tuple[str, ...]:
        """Names of both collections."""
        return self.spec.classes

    def toward(self, name: str) -> "UnpairedPredictor":
        """Return the same translators, turned towards a collection (``ChoosesDirection``).

        Raises CapasError ``collection_unknown``.
        """
        plain = {one.casefold(): number for number, one in enumerate(self.collections)}
        number = self.collections.index(name) if name in self.collections else plain.get(name.casefold())
        if number is None:
            known = ", ".join(self.collections)
            raise CapasError("collection_unknown", where="--to", received=name, known=known)
        return UnpairedPredictor(self._network, self.settings, self.preparation, self.spec, number)

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return image_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return image_item(content, number)

    def preprocess(self, item: Item) -> Tensor:
        """Return an image as the networks know them, (C, H, W) in [-1, 1]. Raises CapasError where it is none."""
        pixels = self.preparation.fit_image(read_image_item(item))
        return to_unit_range(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])[0]

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        given = torch.stack([one for one in prepared if isinstance(one, Tensor)])
        name, size = self.collections[self.target], self.settings.image_size
        facts: dict[str, object] = {"width": size, "height": size}
        return [
            Prediction(
                input=one, prediction=name, text=f"→ {name}, {size}×{size}", facts=facts, picture=pixels,
                provenance={"translates": Path(one).name, "to": name},
            )
            for one, pixels in zip(names, to_pixels(self.directions.translate(given, self.target)), strict=True)
        ]  # fmt: skip

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        pictures, spec = report.inputs, report.detection.spec
        assert isinstance(pictures, ImageCollection)
        said = [label_text(spec, report.labels[i]) for i in indices]
        first, second = ([i for i, name in zip(indices, said, strict=True) if name == own] for own in self.collections)
        for own, held in zip(self.collections, (first, second), strict=True):
            if len(held) < 4:
                raise CapasError("too_few_tested", where=report.source.root, received=len(held), name=own)
        return evaluate_translators(
            self.directions, (self._collection(pictures, first), self._collection(pictures, second)), train=None,
            names=self.collections,
        )  # fmt: skip

    def _collection(self, pictures: ImageCollection, indices: Sequence[int]) -> Collection:
        names = [pictures.name(i) for i in indices]
        images = [self.preprocess(Item(name=pictures.name(i), content=pictures.decode(i))) for i in indices]
        return Collection(names=names, images=torch.stack(images))

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        given = [one for one in prepared if isinstance(one, Tensor)]
        network = self._network[A_TO_B if self.target else B_TO_A]
        return exportable_translator(network, self.settings, self.collections[self.target], given)
