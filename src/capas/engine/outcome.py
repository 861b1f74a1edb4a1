"""What a finished run leaves: the answer for every test example, and the card of its model."""

import csv
import datetime
import io
from pathlib import Path
from typing import cast

import torch

from capas.bundle.card import Card, DataCard, NetworkCard, ProvenanceCard, SplitCard, WeightsCard, limits
from capas.core.files import write_atomic
from capas.core.spec import Spec
from capas.engine.build import Built
from capas.engine.config import Config
from capas.engine.evaluate import Tested
from capas.engine.events import Finished
from capas.engine.record import SPLITS, Record
from capas.engine.run import Run, processor
from capas.networks.catalog import entry
from capas.version import __version__


def write_predictions(run: Run, record: Record, tested: Tested) -> None:
    """One line per test example: what it is, what was answered, and the probability of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["example", "class", "prediction", "probability", *(f"p({c})" for c in record.classes)])
    for position, row in zip(tested.positions.tolist(), tested.probabilities, strict=True):
        best = int(row.argmax())
        writer.writerow(
            [
                record.names[position],
                record.classes[record.labels[position]],
                record.classes[best],
                f"{float(row[best]):.6f}",
                *(f"{p:.6f}" for p in row.tolist()),
            ]
        )
    write_atomic(run.predictions, text.getvalue())


def card_of(run: Run, config: Config, spec: Spec, record: Record, built: Built, tested: Tested, end: Finished) -> Card:
    row, execution = entry(config.network.name), built.execution
    data = DataCard(
        source=record.source if record.source.startswith("sample:") else Path(record.source).name,
        splits={s: SplitCard(count=record.splits.count(s), hash=record.digest(s)) for s in SPLITS},
    )
    counts = [(name, record.labels.count(i)) for i, name in enumerate(record.classes)]
    figures = tested.as_json()
    return Card(
        name=run.folder.absolute().name,
        task=spec.task,
        classes=list(spec.classes),
        network=NetworkCard(
            name=row.name,
            in_channels=built.preparation.channels,
            num_classes=len(spec.classes),
            image_size=int(config.data.image_size),
            width=int(config.network.width) or None,
            mirrored=config.network.mirrored is True,
            parameters=sum(p.numel() for p in built.network.parameters()),
            paper=row.paper,
        ),
        weights=WeightsCard(hash="", bytes=0, started_from="ImageNet" if config.network.pretrained else ""),
        data=data,
        metrics=cast(dict[str, object], figures["metrics"]),
        baseline=cast(dict[str, object], figures["baseline"]),
        per_class=cast(dict[str, object], figures["per_class"]),
        limits=limits(data, len(tested.positions), min(counts, key=lambda pair: pair[1]), built.preparation.channels),
        provenance=ProvenanceCard(
            capas=__version__,
            torch=torch.__version__,
            processor=processor(),
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
