"""Export to ONNX. The exported network goes from plain tensors to final predictions, so that nothing is left to guess
about scaling; it is compared with torch before it counts as exported, and a JSON file beside it describes its inputs.
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
NOT_EXPORTABLE: Final = frozenset({"translate", "generate"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportInput:
    """One input of an exported network.

    Attributes:
        name: Name of the input.
        axes: Its axes; a string is an axis of any length, a number is a fixed length.
        values: What its values are, in words for the JSON file.
        example: A tensor of its type and shape, to trace with.
    """

    name: str
    axes: tuple[str | int, ...]
    values: str
    example: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Exportable:
    """A network with its inputs and output, ready for export.

    Attributes:
        network: Called with the inputs in order; returns one tensor.
        inputs: Its inputs.
        output: Name of the output.
        axes: Axes of the output, as in ``ExportInput``.
        compared: Inputs on which ONNX and torch are compared.
        count: Number of examples in ``compared``.
        scale: Unit in which differences of the output are measured.
        steps: For axes of restricted length, the number it must be a multiple of.
        facts: Further entries of the JSON file.
        vocabulary: Content of the vocabulary file, where there is one.
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
    """The result of an export.

    Attributes:
        path: The ONNX file.
        difference: Largest absolute difference to torch, in units of ``Exportable.scale``.
        compared: Number of examples compared.
    """

    path: Path
    difference: float
    compared: int


def export_onnx(exportable: Exportable, path: Path) -> ExportedModel:
    """Write a network as ONNX, with a JSON file beside it that describes how to call it.

    Args:
        exportable: The network.
        path: The file to write; must end in .onnx.

    Raises:
        CapasError: ``export_name``; ``extra_missing``; ``export_differs`` where onnxruntime and torch differ by more
            than 1e-4, and then no file is left.
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
    """Return the serialized ONNX model. Raises CapasError ``extra_missing``."""
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
    """Calls ``network`` with any number of tensors, so that the exporter can be told of their axes by position
    alone.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the output of ``network``."""
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
    """Largest absolute difference between ONNX and torch in units of ``scale``; NaN where any value is."""
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
