"""Where networks, data and tasks meet: from a settled configuration and the data record to a loop that can run."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from capas.core.device import choose_device
from capas.core.errors import CapasError
from capas.core.random import derive_seed
from capas.core.spec import Spec
from capas.data.augment import Augmentation
from capas.data.loader import Batch, Loader
from capas.data.pictures import Pictures
from capas.data.preparation import Preparation
from capas.data.store import PictureStore
from capas.engine.choose import Execution, choose_execution
from capas.engine.config import Config
from capas.engine.evaluate import class_probabilities
from capas.engine.loop import Loop, Score, StopRequest
from capas.engine.optim import make_optimizer, parameter_groups
from capas.engine.parallel import Ranks
from capas.engine.record import Record
from capas.engine.step import Stepper
from capas.networks.catalog import build as build_from_catalog
from capas.networks.catalog import entry
from capas.networks.efficientnet_weights import pretrained_lite0
from capas.networks.mirrored import Mirrored
from capas.tasks.classify import Classification, balanced_weights
from capas.tasks.metrics import classification_figures

# How the pixels of the pretrained network's training were scaled: (x − 127) / 128 for x in 0..255.
PRETRAINED_MEAN, PRETRAINED_STD = 127 / 255, 128 / 255


def build_network(config: Config, *, channels: int, num_classes: int, fresh: bool = True) -> nn.Module:
    """The network of ``config`` in training mode, its weights drawn from the run's seed.

    With ``fresh`` False the pretrained weights are left out, because others will be loaded over them.
    """
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    network = _single_network(config, channels=channels, num_classes=num_classes, fresh=fresh)
    return (Mirrored(network) if config.network.mirrored is True else network).train()


def _single_network(config: Config, *, channels: int, num_classes: int, fresh: bool) -> nn.Module:
    name, size = config.network.name, int(config.data.image_size)
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


def prepare_store(
    config: Config,
    record: Record,
    pictures: Pictures,
    indices: Sequence[int],
    channels: int,
    *,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PictureStore, Preparation]:
    """All pictures of the record as uint8, and the preparation with the training split's own mean and deviation."""
    size, fit = int(config.data.image_size), config.data.fit
    assert fit != "auto"
    statistics = (PRETRAINED_MEAN,) * channels, (PRETRAINED_STD,) * channels
    preparation = Preparation(
        height=size, width=size, channels=channels, mean=statistics[0], std=statistics[1], fit=fit
    )
    budget = config.data.memory_mb * 2**20 or None
    store = PictureStore.build(
        pictures, indices, preparation, budget_bytes=budget, cache_folder=cache, progress=progress
    )
    if store.failed:
        position, error = next(iter(store.failed.items()))
        raise CapasError("data_changed", where=record.names[position], received=error.key, first=record.names[position])
    if not config.network.pretrained:
        preparation = preparation.measure(store, record.positions("train"))
    return store, preparation


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingBatches:
    """The loader's batches on the device, with the names of what is in them."""

    loader: Loader
    execution: Execution
    example_names: Sequence[str]

    @property
    def steps_per_epoch(self) -> float:
        return self.loader.steps_per_epoch

    def iterate(self, start: int) -> Iterator[Batch]:
        for batch in self.loader.iterate(start):
            yield self.placed(batch)

    def placed(self, batch: Batch) -> Batch:
        """The batch on the device that trains."""
        device = self.execution.device
        mix = batch.mix and replace(batch.mix, partner=batch.mix.partner.to(device), weight=batch.mix.weight.to(device))
        images = self.execution.place_images(batch.images)
        return replace(batch, images=images, labels=batch.labels.to(device), mix=mix)

    def names(self, step: int) -> list[str]:
        return [self.example_names[i] for i in self.loader.batch(step).positions.tolist()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A run that is ready to go: its network, its data and its loop."""

    network: nn.Module
    preparation: Preparation
    store: PictureStore
    execution: Execution
    loop: Loop[Batch]


def build(
    config: Config,
    spec: Spec,
    record: Record,
    store: PictureStore,
    preparation: Preparation,
    *,
    checkpoints: Path,
    ranks: Ranks,
    stop: StopRequest,
    execution: Execution | None,
) -> Built:
    """Everything that training needs. ``execution`` is given when a run is resumed, and measured when it is None."""
    labels = torch.tensor(record.labels, dtype=torch.long)
    network = build_network(config, channels=preparation.channels, num_classes=len(spec.classes))
    positions = record.positions("train")
    loader = _loader(config, store, labels, positions, preparation, ranks)
    weights = None
    if config.objective.class_weights == "balanced":
        weights = balanced_weights(labels[positions], len(spec.classes))
    objective = Classification(network, label_smoothing=config.objective.label_smoothing, class_weights=weights)
    if execution is None:
        measured = json.dumps(_choose(config, objective, loader).as_json()) if ranks.leads else ""
        execution = Execution.from_json(json.loads(ranks.agree_text(measured)))
    torch.set_num_threads(execution.threads)
    execution.place(network)
    ranks.share(network.state_dict().values())
    batches = TrainingBatches(loader=loader, execution=execution, example_names=record.names)
    stepper = Stepper(
        objective=objective,
        optimizers={"correct": _optimizer(config, network)},
        execution=execution,
        ranks=ranks,
        seed=config.train.seed,
        clip=config.optim.clip,
    )
    loop = Loop(
        stepper=stepper,
        batches=batches,
        train=config.train,
        optim=config.optim,
        checkpoints=checkpoints,
        batch_size=loader.batch_size,
        examples=len(positions),
        total_steps=_total_steps(config, loader, execution),
        learning_rate=float(config.optim.learning_rate),
        evaluate=_validation(network, store, preparation, execution, record, labels, spec.classes),
        stop=stop,
    )
    return Built(network=network, preparation=preparation, store=store, execution=execution, loop=loop)


def _loader(
    config: Config, store: PictureStore, labels: Tensor, positions: Tensor, preparation: Preparation, ranks: Ranks
) -> Loader:
    augment = config.augment
    return Loader(
        store,
        labels,
        positions,
        batch_size=int(config.train.batch_size),
        seed=config.train.seed,
        augmentation=Augmentation(
            crop=float(augment.crop),
            flip=bool(augment.flip),
            rotate=augment.rotate,
            colour=float(augment.colour),
            cutout=float(augment.cutout),
            mixup=augment.mixup,
        ),
        preparation=preparation,
        rank=ranks.rank,
        world_size=ranks.world_size,
    )


def _choose(config: Config, objective: Classification, loader: Loader) -> Execution:
    batch = loader.batch(0)
    device = choose_device(config.execution.device)

    def loss(network: nn.Module, images: Tensor) -> Tensor:
        outputs = network(images)
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        return objective.cross_entropy(logits, batch.labels.to(device)).mean()

    return choose_execution(config.execution, objective.network, batch.images, loss)


def _optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    groups = parameter_groups(
        network,
        learning_rate=float(config.optim.learning_rate),
        weight_decay=float(config.optim.weight_decay),
        head=_head(config) if config.network.pretrained else None,
        backbone_rate=config.optim.backbone_rate,
    )
    assert config.optim.optimizer != "auto"
    return make_optimizer(config.optim.optimizer, groups)


def _head(config: Config) -> str:
    head = entry(config.network.name).head
    return f"network.{head}" if config.network.mirrored is True else head


def _total_steps(config: Config, loader: Loader, execution: Execution) -> int:
    if config.train.time_s and execution.measured:
        speed = max(m.examples_per_s for m in execution.measured)
        return max(1, int(config.train.time_s * speed / loader.batch_size))
    return max(1, round(float(config.train.epochs) * loader.steps_per_epoch))


def _validation(
    network: nn.Module,
    store: PictureStore,
    preparation: Preparation,
    execution: Execution,
    record: Record,
    labels: Tensor,
    classes: Sequence[str],
) -> Callable[[], Score] | None:
    positions = record.positions("validation")
    if not len(positions):
        return None

    def evaluate() -> Score:
        probabilities = class_probabilities(network, store, positions, preparation, execution)
        figures = classification_figures(probabilities, labels[positions], classes)
        return Score(metric="accuracy", value=figures.accuracy.value, loss=figures.log_loss, n=len(positions))

    return evaluate
