"""Preprocessed images for training, and their augmentation."""

from collections.abc import Iterator, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from capas.baselines.logistic_regression import downscaled_pixels
from capas.bundle.card import NetworkCard
from capas.core.spec import OutputKind
from capas.data.batch import Batch
from capas.data.image.augment import ImageAugmentation
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.data.loader import ImageLoader
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.single_output.image.network import build_network
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.networks.catalog import find_entry


class ImageTrainingBatches:
    """The batches of an ``ImageLoader``, with the names of their examples (``TrainingBatches``)."""

    def __init__(self, loader: ImageLoader, names: Sequence[str]) -> None:
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
        return [self._names[i] for i in self.loader.order.positions_at(step).tolist()]


class PreparedImageInputs:
    """The images of a run, decoded and resized (``PreparedInputs``)."""

    baseline = DENSE_BASELINE

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        store: ImageStore,
        preparation: ImagePreprocessing,
        kind: OutputKind,
    ) -> None:
        self.config = config
        self.kind: OutputKind = kind
        self.store = store
        self.preparation = preparation
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, num_classes=num_outputs, kind=self.kind)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        row = find_entry(self.config.network.name)
        return NetworkCard(
            name=row.name,
            settings={
                "in_channels": self.preparation.channels,
                "num_classes": num_outputs,
                "image_size": int(self.config.data.image_size),
                "width": int(self.config.network.width) or None,
                "flip_tta": self.config.network.flip_tta is True,
            },
            parameters=sum(p.numel() for p in network.parameters()),
            paper=row.paper,
        )

    @property
    def head(self) -> str | None:
        if not self.config.network.pretrained and not self.config.network.init_from:
            return None
        head = find_entry(self.config.network.name).head
        return f"network.{head}" if self.config.network.flip_tta is True else head

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[Tensor]]:
        loader = ImageLoader(
            self.store,
            targets,
            positions,
            batch_size=int(self.config.train.batch_size),
            seed=self.config.train.seed,
            augmentation=image_augmentation(self.config),
            preparation=self.preparation,
            rank=ranks.rank,
            world_size=ranks.world_size,
        )
        return ImageTrainingBatches(loader, self._names)

    def take(self, positions: Tensor) -> Float[Tensor, "B C H W"]:
        return self.preparation.normalise(self.store.take(positions))

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return downscaled_pixels(self.store.take(positions))

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()


def image_augmentation(config: Config) -> ImageAugmentation:
    """Return the augmentation that ``config`` asks for."""
    augment = config.augment
    return ImageAugmentation(
        crop=float(augment.crop),
        flip=bool(augment.flip),
        rotate=augment.rotate,
        colour=float(augment.colour),
        cutout=float(augment.cutout),
        mixup=augment.mixup,
    )
