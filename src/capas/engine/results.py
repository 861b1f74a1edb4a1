"""What a finished run leaves behind: the predictions on the test split and the model card."""

import datetime
import io
from dataclasses import asdict
from pathlib import Path

import torch

from capas.bundle.card import (
    Card,
    DataCard,
    FieldCard,
    GeneratedCard,
    MethodCard,
    NetworkCard,
    ProvenanceCard,
    SplitCard,
    WeightsCard,
    limitations,
)
from capas.core.files import write_atomic
from capas.core.inert_text import InertWriter
from capas.data.targets import label_values
from capas.engine.config import Config
from capas.engine.dataset_record import SPLITS, DatasetRecord
from capas.engine.events import Finished
from capas.engine.execution import Execution
from capas.engine.recipe import TestResult
from capas.engine.run import Run, processor_name, read_metrics
from capas.version import __version__


def write_predictions(run: Run, result: TestResult) -> None:
    """Write ``predictions.csv``: one row per test example with its label, prediction and probabilities."""
    text = io.StringIO()
    InertWriter(text).writerows(result.rows)
    write_atomic(run.predictions, text.getvalue())


def build_card(
    run: Run,
    config: Config,
    record: DatasetRecord,
    network: NetworkCard,
    execution: Execution,
    result: TestResult,
    end: Finished,
) -> Card:
    """Build the card of the run's model; ``write_bundle`` fills in the hash of the weights.

    Args:
        run: The run; its folder names the model.
        config: The resolved configuration.
        record: The examples that were used.
        network: The description of the network.
        execution: How the run was computed.
        result: The test result.
        end: The last event of training.
    """
    spec = record.spec
    data = DataCard(
        source=_shown(record.source),
        splits={s: SplitCard(count=record.splits.count(s), hash=record.digest(s)) for s in SPLITS},
    )
    inputs, targets = ([FieldCard(**asdict(f)) for f in part] for part in (spec.inputs, spec.targets))
    grey = spec.medium == "image" and config.data.channels == 1
    return Card(
        name=run.folder.absolute().name,
        task=spec.task,
        medium=spec.medium,
        inputs=inputs,
        targets=targets,
        # Whoever was learnt from to tell others apart is nobody's business, and no answer of the model.
        classes=[] if spec.task == "verify" else list(spec.classes),
        network=network,
        weights=WeightsCard(hash="", bytes=0, started_from=_started_from(config, network)),
        data=data,
        method=_method(run, config, record),
        generated=_generated(run, config),
        metrics=dict(result.metrics),
        baseline={name: dict(figures) for name, figures in result.baseline.items()},
        per_class=dict(result.per_class),
        limits=limitations(spec, result.n, _smallest_class(record), grey=grey),
        provenance=ProvenanceCard(
            capas=__version__,
            torch=torch.__version__,
            processor=processor_name(),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            seed=config.train.seed,
            seconds=round(end.seconds, 3),
            steps=end.step,
            device=execution.device,
            precision=execution.precision,
            memory_format=execution.memory_format,
            threads=execution.threads,
        ),
    )


def _shown(source: str) -> str:
    """The source without the folders of whoever trained."""
    return source if source.startswith("sample:") else Path(source).name


def _method(run: Run, config: Config, record: DatasetRecord) -> MethodCard | None:
    """The method and its pseudo-label counts; None for supervised training."""
    if record.taught is None or config.augment.with_run:
        return None
    summary = run.read_json(run.unlabelled)
    return MethodCard.model_validate(
        {
            "name": config.method.name,
            "iterations": config.method.iterations,
            "threshold": config.method.threshold,
            "noise": config.method.noise,
            "labelled": len(record.labelled("train")),
            **summary,
            "source": _shown(record.taught.source),
            "teacher": read_metrics(run.teacher)["metrics"],
            "first_teacher": read_metrics(run.first_teacher)["metrics"],
        }
    )


def _generated(run: Run, config: Config) -> GeneratedCard | None:
    """The samples of a generator that were learnt from; None without."""
    return GeneratedCard.model_validate(run.read_json(run.generated_summary)) if config.augment.with_run else None


def _started_from(config: Config, network: NetworkCard) -> str:
    """The name of the pretrained weights, "" for random initialisation."""
    if config.network.name == "text-minilm":
        return "all-MiniLM-L6-v2 (frozen)"
    if config.network.name.startswith("hf:"):
        return f"{network.name} (frozen)" if network.settings.get("frozen") else network.name
    if config.network.init_from:
        return Path(config.network.init_from).resolve().name
    return "ImageNet" if config.network.pretrained is True else ""


def _smallest_class(record: DatasetRecord) -> tuple[str, int] | None:
    """The class or tag with the fewest examples."""
    if record.spec.task not in ("classify", "tag"):
        return None
    counts = dict.fromkeys(range(len(record.spec.classes)), 0)
    for label in record.labels[: None if record.taught is None else record.taught.start]:
        for number in label_values(label):
            counts[int(number)] += 1
    smallest = min(counts, key=lambda number: counts[number])
    return record.spec.classes[smallest], counts[smallest]
