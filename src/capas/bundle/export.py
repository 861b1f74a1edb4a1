"""Export to ONNX: the exported network goes from plain tensors to final answers, so that nothing is left to guess about
scaling; it is compared with torch before it is called done, and a JSON file beside it says how to make its inputs.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.export_wrappers import replace_lstms_for_onnx
from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_json

TOLERANCE: Final = 1e-4
# What is found by a search has no end that a graph could know.
NOT_EXPORTABLE: Final = frozenset({"translate"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportInput:
    """One input: its ``name``, the names of its ``axes`` (a string may have any length, a number is its length), what
    its values are (``values``), and one to learn its type from (``example``)."""

    name: str
    axes: tuple[str | int, ...]
    values: str
    example: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Exportable:
    """A ``network`` called with the ``inputs`` in order, which gives one tensor of ``axes`` called ``output``.

    ``compared`` are inputs on which it is compared with torch, ``count`` examples in all, each number in units of
    ``scale``. An axis in ``steps`` has lengths that are multiples of that. ``facts`` go to the JSON file, and
    ``vocabulary`` to a further one.
    """

    network: nn.Module
    inputs: Sequence[ExportInput]
    output: str
    axes: tuple[str | int, ...]
    compared: Sequence[tuple[Tensor, ...]]
    count: int
    scale: float = 1.0
    steps: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    vocabulary: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedModel:
    """What was written, and the largest difference to torch over ``compared`` examples."""

    path: Path
    difference: float
    compared: int


def export_onnx(exportable: Exportable, path: Path) -> ExportedModel:
    """Write a network as ONNX with a JSON file beside it that says how to call it.

    What is ``compared`` is run through onnxruntime and torch; a difference over 1e-4 is an error and leaves no file.
    Raises CapasError where the extra is missing or ``path`` does not end in .onnx.
    """
    if path.suffix != ".onnx":  # the description beside it ends in .json and must not fall on the model itself
        raise CapasError("export_name", where=path, received=path.suffix)
    content = onnx_bytes(exportable)
    difference = _difference(exportable, content)
    if not difference <= TOLERANCE:
        raise CapasError("export_differs", where=path, received=f"{difference:.2g}", most=TOLERANCE)
    write_atomic(path, content)
    described = _description(exportable, difference)
    if exportable.vocabulary is not None:
        beside = path.with_suffix(".vocabulary.json")
        write_json(beside, dict(exportable.vocabulary))
        described["vocabulary"] = beside.name
    write_json(path.with_suffix(".json"), described)
    return ExportedModel(path=path, difference=difference, compared=exportable.count)


def _description(exportable: Exportable, difference: float) -> dict[str, object]:
    inputs = [
        {"name": one.name, "type": str(one.example.dtype).removeprefix("torch."), "shape": list(one.axes),
         "values": one.values}
        for one in exportable.inputs
    ]  # fmt: skip
    return {
        "inputs": inputs,
        "output": {"name": exportable.output, "type": "float32", "shape": list(exportable.axes)},
        **({"multiples": dict(exportable.steps)} if exportable.steps else {}),
        **exportable.facts,
        "verified": {"examples": exportable.count, "largest_difference": difference, "unit": exportable.scale},
    }


def onnx_bytes(exportable: Exportable) -> bytes:
    """The network as ONNX. Raises CapasError ``extra_missing``."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise CapasError("extra_missing", where="capas export", received=error.name or "", extra="export") from error
    # The exporter warns and logs of its own internals, such as that torchvision is not there.
    for name in ("torch.onnx", "torch.utils._sympy.interp"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            PositionalInputs(replace_lstms_for_onnx(exportable.network)).eval(),
            tuple(one.example for one in exportable.inputs),
            input_names=[one.name for one in exportable.inputs],
            output_names=[exportable.output],
            dynamic_shapes=(_free_axes(exportable),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


class PositionalInputs(nn.Module):
    """Calls ``network`` with any number of tensors, so that their axes can be told to the exporter by place alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> Tensor:
        """What the network gives."""
        result: Tensor = self.network(*tensors)
        return result


def _free_axes(exportable: Exportable) -> tuple[dict[int, object], ...]:
    names = {axis for one in exportable.inputs for axis in one.axes if isinstance(axis, str)}
    # With steps the free number is how many of them there are.
    free = {name: exportable.steps.get(name, 1) * torch.export.Dim(name) for name in sorted(names)}
    return tuple(
        {place: free[axis] for place, axis in enumerate(one.axes) if isinstance(axis, str)} for one in exportable.inputs
    )


def _difference(exportable: Exportable, content: bytes) -> float:
    """In units of ``scale``; NaN where anything is."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = torch.zeros(())
    for tensors in exportable.compared:
        fed = {one.name: tensor.numpy() for one, tensor in zip(exportable.inputs, tensors, strict=True)}
        theirs = torch.from_numpy(session.run([exportable.output], fed)[0])
        with torch.no_grad():
            ours = exportable.network.eval()(*tensors)
        largest = torch.maximum(largest, (theirs - ours).abs().max())
    return float(largest) / exportable.scale
