"""ONNX: the exported model against torch, outputs and speed, for the small default and for EfficientNet-Lite0.

Outputs are compared on 256 pictures. Latency is of one picture at a time, throughput of 64 at a time; torch and
onnxruntime take turns, with the same number of threads, on the same uint8 pictures.

Expected: largest difference of a probability ≤ 1e-4.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnxruntime
import torch

from benchmarks.record import conditions, keep, table
from capas.bundle.export import onnx_bytes
from capas.bundle.export_wrappers import ProbabilityOutput
from capas.core.device import physical_cores
from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.recipes.shared.image_export import exportable_images
from capas.networks.catalog import create_network
from capas.networks.vision.efficientnet_weights import pretrained_lite0

ROUNDS = 40


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare(network: torch.nn.Module, channels: int, size: int) -> dict[str, object]:
    """Difference, latency and throughput of one network."""
    preparation = ImagePreprocessing(height=size, width=size, channels=channels)
    raw = exportable_images(network.eval(), preparation, ())
    module = ProbabilityOutput(raw.network).eval()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (256, channels, size, size), dtype=torch.uint8, generator=generator)
    content = onnx_bytes(replace(raw, network=module, output="probabilities"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = physical_cores()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    module = module.to(memory_format=torch.channels_last)

    def ours(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            result: torch.Tensor = module(batch)
            return result

    def theirs(batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.asarray(session.run(["probabilities"], {"pictures": batch.numpy()})[0]))

    difference = float((ours(pictures) - theirs(pictures)).abs().max())
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for label, call in (("torch", ours), ("onnx", theirs)):
            for count in (1, 64):
                times.setdefault(f"{label} {count}", []).append(seconds(lambda c=call, n=count: c(pictures[:n])))  # type: ignore[misc]
    middle = {key: statistics.median(values[5:]) for key, values in times.items()}
    return {
        "difference": difference,
        "bytes": len(content),
        "torch_latency_ms": 1000 * middle["torch 1"],
        "onnx_latency_ms": 1000 * middle["onnx 1"],
        "torch_per_s": 64 / middle["torch 64"],
        "onnx_per_s": 64 / middle["onnx 64"],
    }


def main() -> None:
    """Both networks."""
    facts = conditions("onnx-export")
    torch.set_num_threads(physical_cores())
    torch.manual_seed(0)
    compact = create_network("compact", in_channels=1, num_classes=10, image_size=28)
    results = {
        "compact, 28×28": compare(compact, 1, 28),
        "efficientnet-lite0, 224×224": compare(pretrained_lite0(), 3, 224),
    }
    rows = [
        [name, f"{r['difference']:.1e}", f"{r['torch_latency_ms']:.2f}", f"{r['onnx_latency_ms']:.2f}",
         f"{r['torch_per_s']:.0f}", f"{r['onnx_per_s']:.0f}"]
        for name, r in results.items()
    ]  # fmt: skip
    heads = ["network", "largest difference", "torch: ms a picture", "ONNX: ms a picture", "torch: pictures/s (64)",
             "ONNX: pictures/s (64)"]  # fmt: skip
    keep("onnx-export", "ONNX against torch", (__doc__ or "") + "\n" + table(heads, rows), facts, {"networks": results})


if __name__ == "__main__":
    main()
