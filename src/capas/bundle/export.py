"""Export to ONNX: the exported network takes pictures as bytes and gives probabilities, so that nothing is left to
guess about scaling; it is compared with torch on real pictures before it is called done.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_json
from capas.data.preparation import Preparation

TOLERANCE = 1e-4
INPUT, OUTPUT = "pictures", "probabilities"


class PicturesToProbabilities(nn.Module):
    """uint8 N×C×H×W → N×K probabilities: normalisation, network and activation in one. With ``exclusive`` the classes
    share one whole (softmax); without, each has a probability of its own (sigmoid)."""

    def __init__(self, network: nn.Module, preparation: Preparation, *, exclusive: bool = True) -> None:
        super().__init__()
        self.network = network
        self.preparation = preparation
        self.exclusive = exclusive
        self.register_buffer("mean", torch.tensor(preparation.mean).view(1, -1, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(preparation.std).view(1, -1, 1, 1) * 255))

    def forward(self, pictures_NCHW: Tensor) -> Tensor:
        """Pictures of the preparation's size, values 0..255."""
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        logits: Tensor = self.network((pictures_NCHW.float() - mean) * scale)
        return logits.softmax(1) if self.exclusive else logits.sigmoid()


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written, and the largest difference in probability to torch over ``compared`` pictures."""

    path: Path
    difference: float
    compared: int


def export_onnx(
    network: PicturesToProbabilities, preparation: Preparation, classes: Sequence[str], path: Path, pictures: Tensor
) -> Exported:
    """Write ``network`` as ONNX (batch size free) with a JSON file beside it that says how to prepare pictures.

    ``pictures`` (uint8 N×C×H×W, prepared) are run through onnxruntime and torch; a difference over 1e-4 is an error and
    leaves no file. Raises CapasError where the extra is missing or ``path`` does not end in .onnx.
    """
    if path.suffix != ".onnx":  # the description beside it ends in .json and must not fall on the model itself
        raise CapasError("export_name", where=path, received=path.suffix)
    content = _onnx_bytes(network, pictures)
    difference = _difference(network, content, pictures)
    if not difference <= TOLERANCE:
        raise CapasError("export_differs", where=path, received=f"{difference:.2g}", most=TOLERANCE)
    write_atomic(path, content)
    write_json(
        path.with_suffix(".json"),
        {
            "input": {
                "name": INPUT,
                "type": "uint8",
                "shape": ["batch", *preparation.shape],
                "values": "0..255; normalisation is inside the network",
                "preparation": preparation.as_json(),
            },
            "output": {"name": OUTPUT, "type": "float32", "shape": ["batch", len(classes)]},
            "classes": list(classes),
            "verified": {"pictures": len(pictures), "largest_difference": difference},
        },
    )
    return Exported(path=path, difference=difference, compared=len(pictures))


def _onnx_bytes(network: PicturesToProbabilities, pictures: Tensor) -> bytes:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise CapasError("extra_missing", where="capas export", received=error.name or "", extra="export") from error
    network.eval()
    # The exporter warns and logs of its own internals, such as that torchvision is not there.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (pictures[:2],),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _difference(network: PicturesToProbabilities, content: bytes, pictures: Tensor) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    theirs = torch.from_numpy(session.run([OUTPUT], {INPUT: pictures.numpy()})[0])
    with torch.no_grad():
        ours = network.eval()(pictures)
    return float((theirs - ours).abs().max())
