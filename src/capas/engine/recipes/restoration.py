"""From picture to picture: learnt from pairs, or from pictures out of which the pairs are made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed, stream
from capas.data.batch import Batch
from capas.data.inputs import Inputs
from capas.data.look import Look
from capas.data.made_pairs import KINDS, Kind, Pair, as_float, make_pair, patch, turned
from capas.data.pictures import Pictures
from capas.data.store import available_memory
from capas.data.target_files import commonest_ratio, enlargement
from capas.data.zones import bounded
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Settled, Tested, Work
from capas.engine.recipes.drawn import DrawnBatches
from capas.engine.recipes.one_answer import order_of
from capas.engine.recipes.pictures import facts_of
from capas.engine.recipes.restored import RestorationModel, tested_on, with_channels
from capas.engine.recipes.restoring import Restorer, quality
from capas.engine.settle import chosen, with_sections
from capas.networks.catalog import described
from capas.tasks.restore import Restoration

VALIDATED: Final = (20, 256)  # at most so many pictures, the middle so many pixels of each
PATCHES_SEEN: Final = 16_000
PATCHES_PER_EPOCH: Final = 1_600
WIDTHS: Final = {"dncnn": 32, "super-resolution": 32, "colouriser": 16}


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for pictures that are to be transformed."""
    facts = facts_of(seen)
    kind = _kind(config, seen)
    channels = int(chosen(config.data.channels, 1 if facts.grey else 3))
    if kind == "colourise" and (facts.grey or channels == 1):
        raise CapasError("transform_grey", where=seen.source.root)
    factor = config.transform.factor
    scale = _scale_of_pairs(seen) if kind == "pairs" else int(chosen(factor, 2)) if kind == "super-resolve" else 1
    name = Restorer(kind=kind, channels=channels, scale=scale, width=1).name
    if config.network.name not in ("auto", name):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=name)
    n = max(1, facts.examples)
    size = chosen(config.data.image_size, 128 if kind == "colourise" else 96)
    epochs = chosen(config.train.epochs, float(max(5, round(PATCHES_SEEN / (n * patches_per_picture(n))))))
    updates: dict[str, dict[str, object]] = {
        "data": {"image_size": size, "channels": channels},
        "network": {"name": name, "width": chosen(config.network.width, WIDTHS[name]), "pretrained": False,
                    "mirrored": False},
        "transform": {"kind": kind, "factor": scale if scale > 1 else factor},
        "train": {"batch_size": chosen(config.train.batch_size, 16), "epochs": epochs},
        "optim": {"optimizer": chosen(config.optim.optimizer, "adamw"),
                  "learning_rate": chosen(config.optim.learning_rate, 1e-3),
                  "weight_decay": chosen(config.optim.weight_decay, 1e-4)},
    }  # fmt: skip
    reasons = (say("settle.transform", network=name, size=size), say("settle.epochs", epochs=int(epochs), n=n))
    return Settled(config=with_sections(config, updates), reasons=reasons)


def _kind(config: Config, seen: Look) -> Kind:
    kind, paired, kinds = config.transform.kind, seen.source.targets is not None, ", ".join(KINDS)
    if paired and kind not in ("auto", "pairs"):
        raise CapasError("transform_kind_of_pairs", where="transform.kind", received=kind)
    if paired:
        return "pairs"
    if kind == "auto":
        raise CapasError("transform_kind_missing", where="transform.kind", kinds=kinds)
    if kind == "pairs":
        raise CapasError("transform_no_pairs", where=seen.source.root, kinds=kinds)
    return kind


def _scale_of_pairs(seen: Look) -> int:
    usable = [i for i, good in enumerate(seen.usable) if good]
    assert isinstance(seen.inputs, Pictures) and isinstance(seen.source.targets, Pictures)
    wanted = seen.source.targets
    return commonest_ratio([enlargement(seen.inputs, wanted, i) for i in usable]) or 1


def patches_per_picture(examples: int) -> int:
    """In an epoch; few pictures are looked at in more places."""
    return max(1, min(64, round(PATCHES_PER_EPOCH / examples)))


def restorer_of(config: Config) -> Restorer:
    """What a settled configuration means."""
    kind, factor = config.transform.kind, config.transform.factor
    assert kind != "auto"
    scale = int(factor) if factor != "auto" and config.network.name == "super-resolution" else 1
    return Restorer(kind=kind, channels=int(config.data.channels), scale=scale, width=int(config.network.width))


class Gallery:
    """Pictures as uint8 H×W×C: as many of them in memory as ``budget`` bytes hold, the others read when asked for."""

    def __init__(self, pictures: Pictures, indices: Sequence[int], channels: int, largest: int | None) -> None:
        self.pictures = pictures
        self.indices = indices
        self.channels = channels
        self.largest = largest
        self._held: dict[int, NDArray[np.uint8]] = {}

    def fill(self, budget: int, progress: Callable[[int, int], None]) -> None:
        """Decode until ``budget`` is spent. Raises CapasError on a picture that cannot be read."""
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            for start in range(0, len(self.indices), 64):
                places = range(start, min(start + 64, len(self.indices)))
                for place, picture in zip(places, pool.map(self._read, places), strict=True):
                    if picture.nbytes <= budget:
                        self._held[place], budget = picture, budget - picture.nbytes
                progress(places.stop, len(self.indices))

    def take(self, position: int) -> NDArray[np.uint8]:
        """The picture at a position of the record."""
        held = self._held.get(position)
        return self._read(position) if held is None else held

    def _read(self, position: int) -> NDArray[np.uint8]:
        picture = with_channels(self.pictures.decode(self.indices[position]), self.channels)
        return picture if self.largest is None else bounded(picture, self.largest)


class LearnRestoration:
    """Pictures, network and objective of a run (``Learnable``)."""

    def __init__(self, work: Work, ranks: Ranks) -> None:
        config = self.config = work.config
        self.record = work.record
        self.restorer = restorer_of(config)
        torch.manual_seed(derive_seed(config.train.seed, "weights"))
        self._network = self.restorer.network()
        self._objective = Restoration(self._network, scale=self.restorer.loss_scale)
        self.given, self.wanted = _galleries(work, self.restorer)
        train = work.record.positions("train")
        repeated = train.repeat_interleave(patches_per_picture(len(train)))
        self._batches = DrawnBatches(order_of(config, repeated, ranks), work.record.names, self._patches)

    def _patches(self, positions: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        pairs = [self._patch(position, rng) for position in positions.tolist()]
        return torch.stack([pair.given for pair in pairs]), torch.stack([pair.wanted for pair in pairs])

    def _patch(self, position: int, rng: torch.Generator) -> Pair:
        """A square from anywhere in the picture, turned and mirrored at random."""
        scale, picture = self.restorer.scale, self.given.take(position)
        paired = self.wanted is not None
        side = max(1, int(self.config.data.image_size) // scale) * (1 if paired else scale)
        top, left = (int(torch.randint(max(1, s - side + 1), (1,), generator=rng)) for s in picture.shape[:2])
        quarters, mirrored = (int(torch.randint(n, (1,), generator=rng)) for n in (4, 2))
        if self.restorer.kind == "colourise":
            quarters = 0  # the sky is above
        cut = turned(patch(picture, top, left, side), quarters, mirrored=bool(mirrored))
        if self.wanted is None:
            return self._made(cut, rng, training=True)
        other = patch(self.wanted.take(position), scale * top, scale * left, scale * side)
        return Pair(given=as_float(cut), wanted=as_float(turned(other, quarters, mirrored=bool(mirrored))))

    def _made(self, picture: NDArray[np.uint8], rng: torch.Generator, *, training: bool) -> Pair:
        kind, noise = self.restorer.kind, self.config.transform.noise
        return make_pair(kind, picture, factor=self.restorer.scale, noise=noise, rng=rng, training=training)

    def pair(self, position: int, side: int | None = None) -> Pair:
        """A whole picture (or the middle ``side`` pixels of it) as it is tested: always the same."""
        picture = self.given.take(position)
        wanted = None if self.wanted is None else self.wanted.take(position)
        if side is not None:
            picture, wanted = _middle(picture, wanted, side, self.restorer.scale)
        if wanted is not None:
            return Pair(given=as_float(picture), wanted=as_float(wanted))
        return self._made(
            picture, stream(self.config.train.seed, "spoil", self.record.hashes[position]), training=False
        )

    @property
    def objective(self) -> Restoration:
        return self._objective

    @property
    def batches(self) -> DrawnBatches[Tensor]:
        return self._batches

    @property
    def head(self) -> str | None:
        return None

    @property
    def validates(self) -> bool:
        return "validation" in self.record.splits

    def validate(self, execution: Execution) -> Score:
        most, side = VALIDATED
        positions = self.record.positions("validation").tolist()[:most]
        found, losses = [], []
        for position in positions:
            pair = self.pair(position, side)
            true = self.restorer.wanted_picture(pair.given, pair.wanted)
            restored = self.restorer.restore(self._network, pair.given, execution)
            found.append(quality(restored, true).psnr)
            losses.append(float((restored - true).abs().mean()))
        n = len(positions)
        return Score(metric="psnr", value=sum(found) / n, loss=sum(losses) / n, n=n)

    def finish(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> Tested:
        pairs = ((self.record.names[i], self.pair(i)) for i in self.record.positions("test").tolist())
        return tested_on(pairs, self.restorer, self._network, execution)

    def files(self) -> Mapping[str, object]:
        return {PREPARATION: {**asdict(self.restorer), "noise": self.config.transform.noise}}

    def network_card(self) -> NetworkCard:
        name = self.restorer.name
        return NetworkCard(
            name=name, settings={"width": self.restorer.width, "scale": self.restorer.scale},
            parameters=sum(p.numel() for p in self._network.parameters()), paper=described(name).paper,
        )  # fmt: skip


def _galleries(work: Work, restorer: Restorer) -> tuple[Gallery, Gallery | None]:
    """What is given and, in pairs, what is wanted."""
    paired = restorer.kind == "pairs"
    side = None if paired else restorer.largest_side
    galleries = [
        Gallery(inputs, work.indices, restorer.channels, side)
        for inputs in _collections(work.inputs, work.targets if paired else None)
    ]
    budget = work.config.data.memory_mb * 2**20 or available_memory() * 2 // 5
    for gallery in galleries:
        gallery.fill(budget // len(galleries), work.progress)
    return galleries[0], galleries[1] if paired else None


def _collections(inputs: Inputs, targets: Inputs | None) -> Iterator[Pictures]:
    for collection in (inputs, targets):
        if isinstance(collection, Pictures):
            yield collection


def _middle(
    picture: NDArray[np.uint8], wanted: NDArray[np.uint8] | None, side: int, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
    cut = picture[top : top + side, left : left + side]
    if wanted is None:
        return cut, None
    return cut, wanted[scale * top : scale * (top + side), scale * left : scale * (left + side)]


class RestorationRecipe:
    """How pictures are transformed (``Recipe``)."""

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> LearnRestoration:
        return LearnRestoration(work, ranks)

    def trial(self, config: Config, seen: Look) -> Trial[Batch[Tensor]]:
        restorer = restorer_of(config)
        count, rng = int(config.train.batch_size), stream(0, "trial")
        side = max(1, int(config.data.image_size) // restorer.scale) * (
            1 if restorer.kind == "pairs" else restorer.scale
        )
        noise = torch.randint(256, (count, side, side, restorer.channels), generator=rng).to(torch.uint8).numpy()
        pairs = [_trial_pair(restorer, picture, rng) for picture in noise]
        batch = Batch(inputs=torch.stack([p.given for p in pairs]), targets=torch.stack([p.wanted for p in pairs]),
                      positions=torch.arange(count))  # fmt: skip
        objective = Restoration(restorer.network(), scale=restorer.loss_scale)
        return Trial(objective=objective, batch=batch, examples=max(1, count // patches_per_picture(_train(seen))))

    def reopen(self, bundle: Bundle) -> RestorationModel:
        return RestorationModel.reopen(bundle)


def _train(seen: Look) -> int:
    return max(1, seen.split.count("train"))


def _trial_pair(restorer: Restorer, picture: NDArray[np.uint8], rng: torch.Generator) -> Pair:
    if restorer.kind != "pairs":
        return make_pair(restorer.kind, picture, factor=restorer.scale, noise=25.0, rng=rng, training=True)
    given = as_float(picture)
    wanted = given.repeat_interleave(restorer.scale, 1).repeat_interleave(restorer.scale, 2)
    return Pair(given=given, wanted=wanted)


recipe = RestorationRecipe()
