"""Zones of pictures: a class for every pixel, learnt from masks, answered with a mask."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median_low
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed, stream
from capas.data.augment import colour
from capas.data.batch import Batch
from capas.data.flips import flip_advice
from capas.data.look import Look
from capas.data.masks import Masks
from capas.data.pictures import Pictures
from capas.data.preparation import Preparation
from capas.data.store import PictureStore
from capas.data.zones import fit_mask, vary_together
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Settled, Tested, Work
from capas.engine.recipes.drawn import DrawnBatches
from capas.engine.recipes.mask_answers import BATCH, MaskModel, tested_on
from capas.engine.recipes.one_answer import order_of, outputs_of
from capas.engine.recipes.pictures import facts_of, prepare_store
from capas.engine.settle import chosen, with_sections
from capas.networks.catalog import described
from capas.networks.efficientnet_weights import weights_installed
from capas.networks.unet import unet, unet_lite0
from capas.tasks.segmentation import Segmentation, commonest_class, pixel_confusions, pixel_weights

PLAIN, LITE0 = "unet", "unet-lite0"
WIDTH: Final = 16
BATCH_SIZE: Final = 8
TRIED: Final = 4  # a whole batch takes seconds, and there is a dozen ways to compute it
LONG_SIDE: Final = 256
MULTIPLE: Final = 32
# Pictures seen in training by default, all epochs together: about a quarter of an hour on one core.
PICTURES_SEEN: Final = 6000


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for pictures with masks."""
    facts = facts_of(seen)
    name = config.network.name
    if name not in ("auto", PLAIN, LITE0):
        raise CapasError("network_not_for", where="network.name", received=name, names=f"{PLAIN}, {LITE0}")
    if config.network.pretrained is True and (not weights_installed() or name == PLAIN or config.data.channels == 1):
        raise CapasError("no_pretrained", where="network.pretrained", received=name)
    transfer = not facts.grey and config.data.channels != 1 and weights_installed() and config.network.pretrained
    name = (LITE0 if transfer else PLAIN) if name == "auto" else name
    size = chosen(config.data.image_size, min(LONG_SIDE, _rounded(facts.side)))
    n = max(1, facts.examples)
    epochs = chosen(config.train.epochs, float(max(5, min(200, round(PICTURES_SEEN / n)))))
    flips = flip_advice(facts.classes)
    reasons = [
        say("settle.masks", network=name, size=size),
        say("settle.encoder" if transfer and name == LITE0 else "settle.from_scratch"),
        *([flips.reason] if config.augment.flip == "auto" else []),
        say("settle.epochs", epochs=int(epochs), n=n),
    ]
    updates: dict[str, dict[str, object]] = {
        "data": {"image_size": size, "channels": chosen(config.data.channels, 1 if facts.grey else 3), "fit": "squash"},
        "network": {"name": name, "width": chosen(config.network.width, WIDTH), "mirrored": False,
                    "pretrained": bool(transfer) and name == LITE0},
        "augment": {"crop": chosen(config.augment.crop, 0.3), "flip": chosen(config.augment.flip, flips.allowed),
                    "colour": chosen(config.augment.colour, 0.2), "cutout": 0.0},
        "objective": {"class_weights": chosen(config.objective.class_weights, "balanced")},
        "train": {"batch_size": chosen(config.train.batch_size, max(2, min(BATCH_SIZE, n // 8))), "epochs": epochs},
        "optim": {"optimizer": chosen(config.optim.optimizer, "adamw"),
                  "learning_rate": chosen(config.optim.learning_rate, 2e-3),
                  "weight_decay": chosen(config.optim.weight_decay, 1e-2)},
    }  # fmt: skip
    return Settled(config=with_sections(config, updates), reasons=tuple(reasons))


def _rounded(side: float) -> int:
    return max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE)


def size_of(long: int, height: float, width: float) -> tuple[int, int]:
    """Height and width that all pictures are brought to: the ``long`` side, the other in the proportion of the median
    picture, in steps of 32."""
    short = min(long, _rounded(long * min(height, width) / max(height, width)))
    return (short, long) if width >= height else (long, short)


def _median_size(pictures: Pictures, indices: Sequence[int]) -> tuple[int, int]:
    infos = [pictures.info(i) for i in indices]
    return median_low(info.height for info in infos), median_low(info.width for info in infos)


def build_network(config: Config, num_classes: int, *, fresh: bool = True) -> nn.Module:
    """With weights drawn from the run's seed; the encoder's pretrained where so configured and ``fresh``."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    name, channels, width = config.network.name, int(config.data.channels), int(config.network.width)
    return named_network(name, channels, num_classes, width, pretrained=bool(config.network.pretrained) and fresh)


def named_network(name: str, channels: int, num_classes: int, width: int, *, pretrained: bool = False) -> nn.Module:
    """One of the two networks, in training mode."""
    if name == PLAIN:
        return unet(in_channels=channels, out_channels=num_classes, width=width).train()
    return unet_lite0(out_channels=num_classes, width=width, in_channels=channels, pretrained=pretrained).train()


class LearnMasks:
    """Pictures, masks, network and objective of a run (``Learnable``)."""

    def __init__(
        self, work: Work, store: PictureStore, masks: NDArray[np.uint8], preparation: Preparation, ranks: Ranks
    ) -> None:
        self.work = work
        self.store = store
        self.masks = torch.from_numpy(masks)
        self.preparation = preparation
        config, self.classes = work.config, work.spec.classes
        train = work.record.positions("train")
        self._network = build_network(config, len(self.classes))
        balanced = config.objective.class_weights == "balanced"
        weights = pixel_weights(self.masks[train], len(self.classes)) if balanced else None
        self._objective = Segmentation(self._network, class_weights=weights)
        self._batches = DrawnBatches(order_of(config, train, ranks), work.record.names, self._vary)

    def _vary(self, positions: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        augment = self.work.config.augment
        pictures, masks = vary_together(
            self.store.take(positions), self.masks[positions], crop=float(augment.crop), flip=bool(augment.flip),
            rotate=augment.rotate, rng=rng,
        )  # fmt: skip
        if augment.colour:
            pictures = colour(pictures, float(augment.colour), rng)
        return self.preparation.normalise(pictures), masks

    @property
    def objective(self) -> Segmentation:
        return self._objective

    @property
    def batches(self) -> DrawnBatches[Tensor]:
        return self._batches

    @property
    def head(self) -> str | None:
        return "decoder" if self.work.config.network.pretrained is True else None

    @property
    def validates(self) -> bool:
        return "validation" in self.work.record.splits

    def _answered(self, positions: Tensor, execution: Execution) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions and logits B×K×H×W, a few pictures at a time."""
        for part in torch.split(positions, BATCH):
            inputs = self.preparation.normalise(self.store.take(part))
            yield part, outputs_of(self._network, inputs, execution)

    def validate(self, execution: Execution) -> Score:
        positions = self.work.record.positions("validation")
        losses, confusions = [], []
        for part, logits in self._answered(positions, execution):
            masks = self.masks[part]
            losses.append(float(self._objective.loss(logits, masks)) * len(part))
            confusions.append(pixel_confusions(logits.argmax(1), masks, len(self.classes)))
        total = torch.cat(confusions).sum(0).double()
        hits = total.diagonal()
        iou = (hits / (total.sum(0) + total.sum(1) - hits)).nanmean().nan_to_num()
        n = len(positions)
        return Score(metric="mean_iou", value=float(iou), loss=sum(losses) / n, n=n)

    def finish(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> Tested:
        """At the pictures' own sizes."""
        record, masks = self.work.record, cast(Masks, self.work.targets)
        train, test = record.positions("train"), record.positions("test")
        common = commonest_class(self.masks[train], len(self.classes))
        answers = (
            (record.names[i], logits[row], torch.from_numpy(masks.decode(self.work.indices[i])))
            for part, logits in self._answered(test, execution)
            for row, i in enumerate(part.tolist())
        )
        return tested_on(answers, self.classes, common)

    def files(self) -> Mapping[str, object]:
        return {PREPARATION: self.preparation.as_json()}

    def network_card(self) -> NetworkCard:
        config = self.work.config
        settings = {"in_channels": self.preparation.channels, "num_classes": len(self.classes),
                    "width": int(config.network.width)}  # fmt: skip
        parameters = sum(p.numel() for p in self._network.parameters())
        name = config.network.name
        return NetworkCard(name=name, settings={**settings}, parameters=parameters, paper=described(name).paper)


def fitted_masks(
    masks: Masks, indices: Sequence[int], size: tuple[int, int], progress: Callable[[int, int], None]
) -> NDArray[np.uint8]:
    """The masks ``indices``, uint8 N×H×W. Raises CapasError on one that cannot be read."""
    fitted = np.empty((len(indices), *size), dtype=np.uint8)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        for row, mask in enumerate(pool.map(lambda i: fit_mask(masks.decode(i), *size), indices)):
            fitted[row] = mask
            progress(row + 1, len(indices))
    return fitted


class MaskRecipe:
    """How zones of pictures are learnt (``Recipe``)."""

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> LearnMasks:
        assert isinstance(work.inputs, Pictures) and isinstance(work.targets, Masks)
        size = size_of(int(work.config.data.image_size), *_median_size(work.inputs, work.indices))
        store, preparation = prepare_store(work, size)
        masks = fitted_masks(work.targets, work.indices, size, work.progress)
        return LearnMasks(work, store, masks, preparation, ranks)

    def trial(self, config: Config, seen: Look) -> Trial[Batch[Tensor]]:
        facts = facts_of(seen)
        height, width = size_of(int(config.data.image_size), facts.median_height, facts.median_width)
        count = min(TRIED, int(config.train.batch_size), max(1, seen.split.count("train")))
        classes, rng = len(seen.detection.spec.classes), stream(0, "trial")
        masks = torch.randint(classes, (count, height, width), generator=rng)
        noise = torch.rand(count, int(config.data.channels), height, width, generator=rng)
        batch = Batch(inputs=noise, targets=masks, positions=torch.arange(count))
        return Trial(objective=Segmentation(build_network(config, classes, fresh=False)), batch=batch, examples=count)

    def reopen(self, bundle: Bundle) -> MaskModel:
        settings, card = bundle.card.network.settings, bundle.card
        preparation = Preparation.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        classes = len(card.classes)
        if card.network.name not in (PLAIN, LITE0) or settings.get("num_classes") != classes:
            raise CapasError("bundle_incomplete", where=bundle.folder / "card.json", received=card.network.name)
        width = int(settings.get("width") or 0)
        network = named_network(card.network.name, preparation.channels, classes, width)
        return MaskModel(bundle.fill(network), preparation, card.classes)


recipe = MaskRecipe()
