"""Capas: the same network through its own engine, batches from uint8, execution chosen by measuring."""

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.common import task
from capas.data.inspect.read_dataset import input_collection
from capas.engine.build import build
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.distributed import Ranks
from capas.engine.events import Stepped
from capas.engine.loop import StopRequest, ValidationScore
from capas.engine.plan import dataset_record_of, make_plan
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes import recipe_for
from capas.engine.recipes.single_output.learn import SingleOutputJob

SETTINGS = {
    "data.source": "sample:mnist5k", "data.validation": 0.0, "network.name": "two-conv", "augment.crop": 0.0,
    "augment.cutout": 0.0, "augment.flip": False, "optim.ema": 0.0,
}  # fmt: skip
wanted = task()
evaluations = wanted["epochs"] if wanted.get("target") else 1
changes = {
    "train.evaluations": evaluations,
    "train.seed": wanted["seed"],
    "train.batch_size": wanted["batch"],
    "train.epochs": wanted["epochs"],
}
extra = wanted.get("settings", {})
assert isinstance(extra, Mapping)
plan = make_plan(Config().merged({**SETTINGS, **changes, **extra}))
record: DatasetRecord = dataset_record_of(plan)
spec = plan.look.detection.spec
with tempfile.TemporaryDirectory() as folder:
    indices = [i for i, usable in enumerate(plan.look.usable) if usable]
    work = PreparedDataset(
        config=plan.config, spec=spec, record=record, inputs=input_collection(plan.look.source, spec), targets=None,
        indices=indices, cache=Path(folder) / "cache",
    )  # fmt: skip
    learnable = recipe_for(spec).prepare(work, Ranks())
    assert isinstance(learnable, SingleOutputJob)
    built = build(plan.config, learnable, checkpoints=Path(folder), ranks=Ranks(), stop=StopRequest(), execution=None)
    test = record.positions("test")
    labels = [record.labels[i] for i in test.tolist()]
    (network,) = learnable.objective.networks.values()

    def right() -> int:
        """Test pictures answered right."""
        answers = learnable._answered(test, built.execution).argmax(1).tolist()
        network.train()
        return sum(a == b for a, b in zip(answers, labels, strict=True))

    looks: list[float] = []
    reached: list[float] = []

    def evaluate() -> ValidationScore:
        """A look at the test pictures after an epoch, only to time the way to the target; its seconds do not count."""
        started = time.perf_counter()
        hits = right()
        if hits >= float(str(wanted["target"])) * len(labels):
            reached.append(clock - sum(looks))
        looks.append(time.perf_counter() - started)
        return ValidationScore(metric="accuracy", value=hits / len(labels), loss=0.0, n=len(labels))

    loop = replace(built.loop, evaluate=evaluate if wanted.get("target") else None)
    clock, step = 0.0, 0
    for event in loop.run():
        if isinstance(event, Stepped):
            clock, step = event.seconds, event.step
    speed = step * loop.batch_size / (clock - sum(looks[:-1]))
    first = min(reached, default=None)
    print(json.dumps({"images_per_s": speed, "hits": right(), "n": len(labels), "seconds_to_target": first}))
