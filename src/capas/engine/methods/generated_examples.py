"""Samples of a generator as further training examples of rare classes (``--augment-with RUN``).

A run of ``--task generate`` that can draw each class on demand draws as many as a class lacks of the largest one, but
at most ``MAX_PER_EXAMPLE`` for each of its own: a network that has seen ten pictures has little more to tell. They are
learnt from as examples of their class; none is validated or tested on. A generator that has itself learnt from pictures
of this run's validation or test split is refused, and samples that are near duplicates of these are left out.

Whether it helps is open: Ravuri & Vinyals, "Classification Accuracy Score for Conditional Generative Models", NeurIPS
2019, found that samples added to ImageNet hardly did. ``make bench augment-with`` measures it here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from capas.bundle.card import GeneratedCard
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.core.rng import derive_seed
from capas.core.spec import Spec
from capas.data.concat import UNLABELLED_PREFIX
from capas.data.image.io import ImageCollection
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.dataset_record import SPLITS, DatasetRecord, PseudoLabelledExamples, read_dataset_record
from capas.engine.methods.noisy_student import open_unlabelled, refuse_other_problems
from capas.engine.methods.pseudo_labels import UnlabelledProgress, filter_unlabelled
from capas.engine.predict import Model, load_model
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.engine.run import Run, find_finished_run
from capas.sampling.noise import sample_generators
from capas.sampling.pixels import to_pixels
from capas.sampling.provenance import png_with_provenance

MAX_PER_EXAMPLE: Final = 4
PORTION: Final = 32


def check_generator(config: Config) -> None:
    """Validate ``augment.with_run`` before any data is read.

    Raises CapasError ``generated_with_method``, ``generator_wanted``, and those of ``load_model``.
    """
    if not config.augment.with_run:
        return
    if config.method.name != "supervised":
        raise CapasError("generated_with_method", where="augment.with_run", received=config.method.name)
    _opened(config.augment.with_run)


def resolve_generated(resolved: ResolvedConfig, report: DatasetReport) -> ResolvedConfig:
    """Say how many samples will be drawn.

    Raises CapasError ``method_not_for`` unless pictures are classified, ``generator_other_classes`` where the generator
    cannot draw a class that lacks examples, and ``generated_none`` where no class does.
    """
    config = resolved.config
    if not config.augment.with_run:
        return resolved
    spec = report.detection.spec
    refuse_other_problems(spec, "augment.with_run")
    labels = [label for label, split in zip(report.labels, report.split, strict=True) if split == "train"]
    lacking = missing_examples(Counter(label for label in labels if isinstance(label, int)), spec)
    _, generator = _opened(config.augment.with_run)
    unknown = [name for name in lacking if name not in generator.classes]
    if unknown:
        known = ", ".join(generator.classes) or "–"
        raise CapasError("generator_other_classes", where=config.augment.with_run, received=unknown[0], known=known)
    if not lacking:
        raise CapasError("generated_none", where="augment.with_run", received=len(spec.classes))
    reason = say("generated.planned", count=sum(lacking.values()), classes=", ".join(lacking))
    return ResolvedConfig(config=config, reasons=(*resolved.reasons, reason))


def missing_examples(counts: Mapping[int, int], spec: Spec) -> dict[str, int]:
    """Return how many samples each class gets that lacks some, by ``counts`` of training examples by class."""
    largest = max(counts.values(), default=0)
    wanted = {
        name: min(largest - counts.get(number, 0), MAX_PER_EXAMPLE * counts.get(number, 0))
        for number, name in enumerate(spec.classes)
    }  # fmt: skip
    return {name: count for name, count in wanted.items() if count > 0}


def add_generated(
    run: Run,
    record: DatasetRecord,
    pictures: ImageCollection,
    indices: list[int],
    config: Config,
    progress: UnlabelledProgress,
) -> tuple[DatasetRecord, GeneratedCard]:
    """Draw the samples into the run's folder ``generated`` and append them to the record.

    Args:
        run: The run that learns from them.
        record: Its examples.
        pictures: The images of the record's source.
        indices: Index of each example of ``record`` in ``pictures``.
        config: Its configuration.
        progress: Called with (done, total) samples.

    Raises:
        CapasError: ``generator_saw_test``, ``unlabelled_none_left``, ``disk_full`` or ``cannot_write``.
    """
    where = config.augment.with_run
    model, generator = _opened(where)
    _refuse_leak(where, record)
    counts = Counter(record.labels[i] for i in record.positions("train").tolist())
    lacking = missing_examples({label: n for label, n in counts.items() if isinstance(label, int)}, record.spec)
    _draw(run.generated, (model, generator), record.spec, lacking, config.train.seed, progress)
    drawn = open_unlabelled(str(run.generated), config.data)
    kept = filter_unlabelled(record, pictures, indices, drawn, lambda done, total: None)
    chosen = sorted(kept.hashes)
    labels = tuple(int(drawn.name(i).partition("/")[0]) for i in chosen)
    start, train = len(record.names), SPLITS[0]
    grown = replace(
        record,
        names=(*record.names, *(f"{UNLABELLED_PREFIX}{drawn.name(i)}" for i in chosen)),
        hashes=(*record.hashes, *(kept.hashes[i] for i in chosen)),
        labels=(*record.labels, *labels),
        splits=(*record.splits, *((train,) * len(chosen))),
        taught=PseudoLabelledExamples(
            source=str(run.generated.resolve()), start=start, copies=(1,) * (start + len(chosen))
        ),
    )  # fmt: skip
    learnt = Counter(labels)
    return grown, GeneratedCard(
        source=model.card.name, weights=model.card.weights.hash, drawn=len(drawn), learnt=len(chosen),
        in_test=kept.in_test, repeated=kept.labelled_already + kept.repeated,
        per_class={name: learnt[number] for number, name in enumerate(record.spec.classes) if learnt[number]},
    )  # fmt: skip


def _opened(where: str) -> tuple[Model, GenerationPredictor]:
    model = load_model(where)
    if not isinstance(model.predictor, GenerationPredictor) or not model.predictor.classes:
        received = f"{model.card.network.name}, {model.card.task} ({model.card.medium})"
        raise CapasError("generator_wanted", where=where, received=received)
    return model, model.predictor


def _refuse_leak(where: str, record: DatasetRecord) -> None:
    """A generator's run knows what it learnt from; of a bundle alone only near copies among the samples can tell."""
    if where != "latest" and not Run(folder=Path(where)).config.is_file():
        return
    own = read_dataset_record(find_finished_run(where))
    learnt = {own.hashes[i] for i in own.positions("train").tolist()}
    kept_apart = [i for i, split in enumerate(record.splits) if split != "train" and record.hashes[i] in learnt]
    if kept_apart:
        first = record.names[kept_apart[0]]
        raise CapasError("generator_saw_test", where=where, received=len(kept_apart), first=first)


def _draw(
    folder: Path, opened: tuple[Model, GenerationPredictor], spec: Spec, lacking: Mapping[str, int], seed: int,
    progress: UnlabelledProgress,
) -> None:  # fmt: skip
    """Write the samples of each class into a folder that is called by its number: a class may be called what no folder
    can be. A sample is the same whenever it is drawn, so that what was interrupted is simply done again."""
    (model, generator), total, done = opened, sum(lacking.values()), 0
    for name, count in lacking.items():
        own = folder / f"{spec.classes.index(name):03d}"
        own.mkdir(parents=True, exist_ok=True)
        for start in range(0, count, PORTION):
            size = min(PORTION, count - start)
            rngs = sample_generators(derive_seed(seed, "generated", name), size, first=start)
            condition = torch.full((size,), generator.classes.index(name))
            for i, pixels in enumerate(to_pixels(generator.generator.draw(rngs, condition)), start):
                provenance = {"model": model.card.name, "weights": model.card.weights.hash, "class": name}
                write_atomic(own / f"{i:05d}.png", png_with_provenance(pixels, provenance))
            done += size
            progress(done, total)
