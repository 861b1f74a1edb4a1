"""Pictures as input: prepared once as uint8, augmented batch by batch, seen by a network of the catalogue."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable, Given
from capas.bundle.export_forms import FromPictures
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.random import derive_seed
from capas.core.spec import Medium
from capas.data.augment import Augmentation
from capas.data.batch import Batch
from capas.data.folders import list_folder
from capas.data.inputs import Inputs
from capas.data.loader import Loader
from capas.data.look import Look
from capas.data.pictures import MAX_PIXELS, Pictures, decode_file
from capas.data.preparation import Preparation
from capas.data.samples import open_sample
from capas.data.statistics import PictureStatistics
from capas.data.store import PictureStore
from capas.engine.config import Config
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Settled, TrainingSet, Work
from capas.engine.recipes.answers import Answers
from capas.engine.recipes.one_answer import OneAnswerRecipe
from capas.engine.settle import Facts, settle
from capas.networks.catalog import build as build_from_catalog
from capas.networks.catalog import entry
from capas.networks.efficientnet_weights import pretrained_lite0
from capas.networks.mirrored import Mirrored
from capas.tasks.baseline import pixel_features

# How the pixels of the pretrained network's training were scaled: (x − 127) / 128 for x in 0..255.
PRETRAINED_MEAN, PRETRAINED_STD = 127 / 255, 128 / 255
GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"}


def facts_of(seen: Look) -> Facts:
    """What the rules for automatic choices need to know. Raises CapasError when there are no pictures."""
    pictures = seen.statistics
    if not isinstance(pictures, PictureStatistics):
        raise CapasError("no_pictures_to_learn", where=seen.source.root)
    return Facts(
        examples=sum(part == "train" for part in seen.split),
        classes=seen.detection.spec.classes,
        median_width=pictures.width.middle,
        median_height=pictures.height.middle,
        grey=set(pictures.modes) <= GREY_MODES,
        measures=seen.detection.spec.task == "regress",
    )


def build_network(config: Config, *, num_classes: int, fresh: bool = True) -> nn.Module:
    """The network of ``config`` in training mode, its weights drawn from the run's seed.

    With ``fresh`` False the pretrained weights are left out, because others will be loaded over them.
    """
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    network = _single_network(config, num_classes=num_classes, fresh=fresh)
    return (Mirrored(network) if config.network.mirrored is True else network).train()


def _single_network(config: Config, *, num_classes: int, fresh: bool) -> nn.Module:
    name, size, channels = config.network.name, int(config.data.image_size), int(config.data.channels)
    if config.network.pretrained and fresh:
        if name != "efficientnet-lite0":
            raise CapasError("no_pretrained", where="network.pretrained", received=name)
        return _pretrained(num_classes)
    width = int(config.network.width) or None
    return build_from_catalog(name, in_channels=channels, num_classes=num_classes, image_size=size, width=width)


def _pretrained(num_classes: int) -> nn.Module:
    """The pretrained network with a new head that starts from zero: every class equally likely, so that the first steps
    do not wash over what was learnt. Whole layers are not dropped: with few pictures there is little time to make up.
    """
    network = pretrained_lite0(num_classes=num_classes, stochastic_depth=0.0)
    head = network.get_submodule(entry("efficientnet-lite0").head)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    return network


def prepare_store(work: Work, shape: tuple[int, int] | None = None) -> tuple[PictureStore, Preparation]:
    """All pictures of the record as uint8, and the preparation with the training split's own mean and deviation;
    ``shape`` is height and width where they are not square."""
    config, record = work.config, work.record
    if not isinstance(work.inputs, Pictures):
        raise CapasError("no_pictures_to_learn", where=record.source)
    size, channels, fit = int(config.data.image_size), int(config.data.channels), config.data.fit
    assert fit != "auto"
    height, width = shape or (size, size)
    mean, std = (PRETRAINED_MEAN,) * channels, (PRETRAINED_STD,) * channels
    preparation = Preparation(height=height, width=width, channels=channels, mean=mean, std=std, fit=fit)
    budget = config.data.memory_mb * 2**20 or None
    store = PictureStore.build(
        work.inputs, work.indices, preparation, budget_bytes=budget, cache_folder=work.cache, progress=work.progress
    )
    if store.failed:
        position, error = next(iter(store.failed.items()))
        raise CapasError("data_changed", where=record.names[position], received=error.key, first=record.names[position])
    if not config.network.pretrained:
        preparation = preparation.measure(store, record.positions("train"))
    return store, preparation


class TrainingPictures:
    """The loader's batches, with the names of what is in them."""

    def __init__(self, loader: Loader, names: Sequence[str]) -> None:
        self.loader = loader
        self._names = names

    @property
    def steps_per_epoch(self) -> float:
        return self.loader.steps_per_epoch

    @property
    def batch_size(self) -> int:
        return self.loader.batch_size

    @property
    def examples(self) -> int:
        return len(self.loader.order.positions)

    def batch(self, step: int) -> Batch[Tensor]:
        return self.loader.batch(step)

    def iterate(self, start: int) -> Iterator[Batch[Tensor]]:
        return self.loader.iterate(start)

    def names(self, step: int) -> list[str]:
        return [self._names[i] for i in self.loader.order.at(step).tolist()]


class PreparedPictures:
    """The pictures of a run."""

    baseline = "logistic_regression"

    def __init__(self, config: Config, names: Sequence[str], store: PictureStore, preparation: Preparation) -> None:
        self.config = config
        self.store = store
        self.preparation = preparation
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, num_classes=num_outputs)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        row = entry(self.config.network.name)
        return NetworkCard(
            name=row.name,
            settings={
                "in_channels": self.preparation.channels,
                "num_classes": num_outputs,
                "image_size": int(self.config.data.image_size),
                "width": int(self.config.network.width) or None,
                "mirrored": self.config.network.mirrored is True,
            },
            parameters=sum(p.numel() for p in network.parameters()),
            paper=row.paper,
        )

    @property
    def head(self) -> str | None:
        if not self.config.network.pretrained:
            return None
        head = entry(self.config.network.name).head
        return f"network.{head}" if self.config.network.mirrored is True else head

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingSet[Batch[Tensor]]:
        loader = Loader(
            self.store,
            targets,
            positions,
            batch_size=int(self.config.train.batch_size),
            seed=self.config.train.seed,
            augmentation=augmentation_of(self.config),
            preparation=self.preparation,
            rank=ranks.rank,
            world_size=ranks.world_size,
        )
        return TrainingPictures(loader, self._names)

    def take(self, positions: Tensor) -> Float[Tensor, "B C H W"]:
        return self.preparation.normalise(self.store.take(positions))

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return pixel_features(self.store.take(positions))

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()


def augmentation_of(config: Config) -> Augmentation:
    """How training pictures are varied."""
    augment = config.augment
    return Augmentation(
        crop=float(augment.crop),
        flip=bool(augment.flip),
        rotate=augment.rotate,
        colour=float(augment.colour),
        cutout=float(augment.cutout),
        mixup=augment.mixup,
    )


class PictureReader:
    """The input side of a finished model of pictures."""

    def __init__(self, network: nn.Module, preparation: Preparation) -> None:
        self.network = network
        self.preparation = preparation

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return picture_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        named = isinstance(content, str | Path)
        return Item(name=str(content) if named else f"array {number}", content=content)

    def read(self, item: Item) -> UInt8[Tensor, "C H W"]:
        return self._fitted(read_picture(item))

    def read_example(self, inputs: Inputs, index: int) -> UInt8[Tensor, "C H W"]:
        assert isinstance(inputs, Pictures)
        return self._fitted(inputs.decode(index))

    def _fitted(self, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> UInt8[Tensor, "C H W"]:
        return torch.from_numpy(self.preparation.fit_picture(picture).copy()).permute(2, 0, 1)

    def collate(self, prepared: Sequence[object]) -> Float[Tensor, "B C H W"]:
        return self.preparation.normalise(torch.stack([p for p in prepared if isinstance(p, Tensor)]))

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        return exportable_pictures(self.network, self.preparation, [p for p in prepared if isinstance(p, Tensor)])


def exportable_pictures(network: nn.Module, preparation: Preparation, pictures: Sequence[Tensor]) -> Exportable:
    """``network`` after the normalisation of ``preparation``; ``pictures`` are prepared, uint8 C×H×W."""
    chance = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (16, *preparation.shape), dtype=torch.uint8, generator=chance)
    compared = torch.stack(list(pictures)) if pictures else noise
    given = Given(
        name="pictures", axes=("batch", *preparation.shape), example=noise[:2],
        values="0..255; normalisation is inside the network",
    )  # fmt: skip
    return Exportable(
        network=FromPictures(network, preparation), inputs=[given], output="outputs", axes=("batch",),
        compared=[(compared,)], count=len(compared), facts={"preparation": preparation.as_json()},
    )  # fmt: skip


def read_picture(item: Item) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The pixels of an item, uint8 H×W×C. Raises CapasError when it cannot be read."""
    content = item.content
    if isinstance(content, str | Path):
        return decode_file(Path(content), max_pixels=MAX_PIXELS)
    if not isinstance(content, np.ndarray) or content.dtype != np.uint8 or content.ndim not in (2, 3):
        raise CapasError("not_a_picture_array", where=item.name, received=type(content).__name__)
    if content.size == 0 or content.shape[2:] not in ((), (1,), (3,), (4,)):
        raise CapasError("not_a_picture_array", where=item.name, received="×".join(map(str, content.shape)))
    return content[..., None] if content.ndim == 2 else content


def picture_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """The pictures that the user named: files, folders (with everything in them), "-" for a path per line of
    ``lines``, ``sample:NAME`` for the test pictures of a sample. Raises CapasError for a path that does not exist.
    """
    for text in words:
        if text == "-":
            paths = (line.rstrip("\r\n") for line in lines if line.strip())
            yield from (Item(name=path, content=Path(path)) for path in paths)
        elif text.startswith("sample:"):
            sample = open_sample(text.removeprefix("sample:"))
            for i, part in enumerate(sample.fixed_split):
                if part == "test":
                    yield Item(name=f"{text.removeprefix('sample:')}/{i:05d}", content=sample.pictures.decode(i))
        elif Path(text).is_dir():
            yield from (Item(name=str(path), content=path) for path in list_folder(Path(text)).pictures)
        elif Path(text).exists():
            yield Item(name=text, content=Path(text))
        else:
            raise CapasError("no_such_picture", where=text)


class PictureSide:
    """What pictures contribute to a recipe."""

    medium: Medium = "image"

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, facts_of(seen))

    def prepare(self, work: Work, answers: Answers) -> PreparedPictures:
        store, preparation = prepare_store(work)
        return PreparedPictures(work.config, work.record.names, store, preparation)

    def trial_inputs(
        self, config: Config, seen: Look, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, Tensor]:
        size, channels = int(config.data.image_size), int(config.data.channels)
        noise = torch.rand(len(indices), channels, size, size, generator=torch.Generator().manual_seed(0))
        return build_network(config, num_classes=num_outputs, fresh=False), noise

    def reopen(self, bundle: Bundle, num_outputs: int) -> PictureReader:
        settings = bundle.card.network.settings
        preparation = Preparation.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        size = _whole(bundle, "image_size")
        if preparation.shape != (settings["in_channels"], size, size):
            received = "×".join(map(str, preparation.shape))
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received)
        width = settings.get("width")
        network = build_from_catalog(
            bundle.card.network.name,
            in_channels=preparation.channels,
            num_classes=num_outputs,
            image_size=size,
            width=None if width is None else int(width),
        )
        bundle.fill(network)
        return PictureReader((Mirrored(network) if settings.get("mirrored") else network).eval(), preparation)


def _whole(bundle: Bundle, key: str) -> int:
    value = bundle.card.network.settings.get(key)
    if not isinstance(value, int):
        raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=f"{key} = {value}")
    return value


recipe = OneAnswerRecipe(PictureSide())
