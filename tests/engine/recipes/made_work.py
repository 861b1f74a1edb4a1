"""Small data sets in memory, in the forms in which recipes receive them: reports, prepared data, bundles."""

import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.card import Card, DataCard, FieldCard, NetworkCard, ProvenanceCard, WeightsCard
from capas.bundle.read import Bundle
from capas.core.spec import Field, FieldKind, Spec, TaskName
from capas.data.collections import AudioFiles, ExampleCollection, SentenceCollection, TableRows, TextCollection
from capas.data.inspect.dataset_scan import AudioStatistics, DatasetStatistics
from capas.data.inspect.image_statistics import ImageStatistics, MinMedianMax
from capas.data.inspect.report import DatasetReport
from capas.data.inspect.task_detection import TaskDetection
from capas.data.naming import SplitName
from capas.data.sources.source import DataSource
from capas.data.tabular.columns import Cell, column_from_cells
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.execution import Execution
from capas.engine.recipe import PreparedDataset

FLOAT32 = Execution(device="cpu", precision="float32", memory_format="contiguous", threads=1, reason="")


def spec_of(
    task: TaskName, kind: FieldKind, *, classes: Sequence[str] = (), target: FieldKind = "category",
    units: Sequence[str] = ("",), names: Sequence[str] = (),
) -> Spec:  # fmt: skip
    """A problem with inputs called ``names`` (by default one, "input") and a target for each unit."""
    first, *further = [
        Field(name=f"target{k}" if k else "target", kind=target, unit=unit) for k, unit in enumerate(units)
    ]
    inputs = tuple(Field(name=name, kind=kind) for name in names or ("input",))
    return Spec(inputs=inputs, target=first, task=task, classes=tuple(classes), further_targets=tuple(further))


def report_of(
    inputs: ExampleCollection, spec: Spec, splits: Sequence[SplitName | None], *, labels: Sequence[Label] | None = None,
    targets: ExampleCollection | None = None, statistics: DatasetStatistics | None = None,
) -> DatasetReport:  # fmt: skip
    """What inspection of these examples says; one without a split is not usable."""
    count = len(splits)
    source = DataSource(
        root="made", layout="table", files=inputs, columns={}, fixed_split=(None,) * count, problems=(), evidence=(),
        targets=targets,
    )  # fmt: skip
    return DatasetReport(
        source=source, inputs=inputs, detection=TaskDetection(spec=spec, evidence=(), alternatives=()),
        usable=tuple(part is not None for part in splits), labels=tuple(labels or [None] * count),
        split=tuple(splits), keys=tuple(f"{i:032x}" for i in range(count)), problems=(), statistics=statistics,
    )  # fmt: skip


def work_of(
    inputs: ExampleCollection, spec: Spec, splits: Sequence[SplitName], settings: Mapping[str, object], *,
    labels: Sequence[Label] | None = None, targets: ExampleCollection | None = None,
    indices: Sequence[int] | None = None, cache: Path = Path("cache"),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PreparedDataset:  # fmt: skip
    """A run on the examples ``indices``, by default on all, whose splits these are."""
    used = list(range(len(splits))) if indices is None else list(indices)
    record = DatasetRecord(
        source="made", spec=spec, names=tuple(inputs.name(i) for i in used),
        hashes=tuple(inputs.content_hash(i) for i in used), labels=tuple(labels or [None] * len(used)),
        splits=tuple(splits),
    )  # fmt: skip
    return PreparedDataset(
        config=Config().merged(settings), spec=spec, record=record, inputs=inputs, targets=targets, indices=used,
        cache=cache, progress=progress,
    )  # fmt: skip


def card_of(spec: Spec, network: NetworkCard) -> Card:
    def fields(found: Sequence[Field]) -> list[FieldCard]:
        return [FieldCard(name=one.name, kind=one.kind, unit=one.unit) for one in found]

    return Card(
        name="made",
        task=spec.task,
        medium=spec.medium,
        inputs=fields(spec.inputs),
        targets=fields(spec.targets),
        classes=list(spec.classes),
        network=network,
        weights=WeightsCard(hash="a" * 32, bytes=0, started_from=""),
        data=DataCard(source="made", splits={}),
        metrics={"accuracy": {"value": 1.0, "n": 1, "interval": [0.2, 1.0]}},
        baseline={},
        per_class={},
        limits=[],
        provenance=ProvenanceCard(
            capas="", torch="", processor="", created="", seed=0, seconds=0.0, steps=0, device="cpu",
            precision="float32", memory_format="contiguous", threads=1,
        ),
    )  # fmt: skip


def bundle_of(
    spec: Spec, network: NetworkCard, files: Mapping[str, object], tensors: Mapping[str, Tensor] | None = None,
    folder: Path = Path("bundle"),
) -> Bundle:  # fmt: skip
    """A bundle that lies nowhere; ``files`` are what a job's ``bundle_files`` returns."""
    trees: dict[str, Mapping[str, object]] = {}
    for name, tree in files.items():
        assert isinstance(tree, Mapping)
        trees[name] = tree
    return Bundle(folder=folder, card=card_of(spec, network), tensors=dict(tensors or {}), files=trees)


def network_card(name: str, **settings: object) -> NetworkCard:
    return NetworkCard.model_validate({"name": name, "settings": settings, "parameters": 0, "paper": ""})


def texts_of(texts: Sequence[str]) -> TextCollection:
    return TextCollection(texts, [f"t:{i}" for i in range(len(texts))])


def sentences_named(sentences: Sequence[Sequence[str]]) -> SentenceCollection:
    return SentenceCollection(sentences, [f"s:{i}" for i in range(len(sentences))])


def rows_of(columns: Mapping[str, Sequence[Cell]]) -> TableRows:
    count = len(next(iter(columns.values())))
    return TableRows(
        {name: column_from_cells(list(cells)) for name, cells in columns.items()}, [f"r:{i}" for i in range(count)]
    )


def write_wave(path: Path, samples: NDArray[np.float32], rate: int = 8000) -> Path:
    """16-bit wav, mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, rate, 0, "NONE", ""))
        stream.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return path


def sounds_of(folder: Path, waves: Sequence[NDArray[np.float32]], rate: int = 8000) -> AudioFiles:
    return AudioFiles([write_wave(folder / f"{i}.wav", one, rate) for i, one in enumerate(waves)], folder)


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def pixels(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Noise, uint8 N×H×W×C."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def image_statistics_of(width: int, height: int, modes: Sequence[str] = ("RGB",)) -> ImageStatistics:
    """Statistics in which only the medians and the modes matter."""
    return ImageStatistics(
        count=1, width=MinMedianMax(minimum=1, median=width, maximum=9999),
        height=MinMedianMax(minimum=1, median=height, maximum=9999), modes=dict.fromkeys(modes, 1), formats={},
        mean=0.5, std=0.2, bytes=0,
    )  # fmt: skip


def sound_statistics_of(
    *, count: int = 10, median_s: float = 1.0, longest_s: float = 2.0, rates: Mapping[int, int] | None = None,
    total_s: float | None = None,
) -> AudioStatistics:  # fmt: skip
    return AudioStatistics(
        count=count, total_s=median_s * count if total_s is None else total_s, shortest_s=median_s, median_s=median_s,
        longest_s=longest_s, sample_rates=rates or {8000: 1}, formats={},
    )  # fmt: skip


def parameters_of(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())
