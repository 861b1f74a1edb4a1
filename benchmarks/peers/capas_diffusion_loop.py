"""Diffusion by Capas: what a run says of its speed while it learns, and the time that `generate` takes to draw."""

import json
import statistics
import tempfile
import time
from pathlib import Path

import capas
from benchmarks.peers.common import task
from capas.engine.events import Stepped, read_events
from capas.sampling.generator import SamplingOptions

wanted = task()
steps, batch, drawn = (int(str(wanted[name])) for name in ("steps", "batch", "drawn"))
with tempfile.TemporaryDirectory() as name:
    run = Path(name) / "run"
    settings = {
        "data.task": "generate", "data.target": "none", "network.name": "ddpm", "train.batch_size": batch,
        "train.epochs": max(1.0, steps * batch / 3200), "train.seed": int(str(wanted["seed"])), "train.evaluations": 1,
        "trust.report": "none", "generation.samples": 16,
    }  # fmt: skip
    result = capas.train("sample:mnist5k", out=run, settings=settings)
    assert result is not None
    speeds = [event.examples_per_s for event in read_events(run / "events.jsonl") if isinstance(event, Stepped)]
    model = capas.load(run)
    capas.generate(model, 4)
    assert SamplingOptions().steps is None  # twenty, as is usual
    started = time.perf_counter()
    capas.generate(model, drawn, sampler="ddim")
    sampling = drawn / (time.perf_counter() - started)
    parameters = model.card.network.parameters
training = statistics.median(speeds[1:] or speeds)
print(json.dumps({"train_images_per_s": training, "drawn_per_s": sampling, "parameters": parameters}))
