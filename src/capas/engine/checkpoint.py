"""Everything a run needs to go on exactly where it was: one safetensors file per checkpoint, its state as JSON inside.

Chance needs no saving: orders, augmentations and dropout are functions of the seed and the step (core.random).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.files import open_regular, write_atomic
from capas.core.parsing import parse_json

MAX_KEPT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPosition:
    """Where a run stands after ``step`` corrections.

    ``progress`` (0..1) is the place on the schedule, ``steps_left`` how many corrections remain; ``best`` is the best
    validation score so far (None for none yet), reached at ``best_step`` (-1), ``since_best`` evaluations ago; the last
    evaluation was at ``evaluated_step``.
    """

    step: int = 0
    progress: float = 0.0
    steps_left: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = -1
    evaluated_step: int = 0
    since_best: int = 0


_POSITION: Final = TypeAdapter(TrainingPosition)


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], position: TrainingPosition) -> Path:
    """Write the checkpoint of ``position.step`` and remove all but the newest two. Raises CapasError on a full disk."""
    path = folder / f"step-{position.step:08d}.safetensors"
    write_atomic(path, save(_plain(tensors), metadata={"position": json.dumps(asdict(position))}))
    for old in sorted(folder.glob("step-*.safetensors"))[:-MAX_KEPT]:
        old.unlink(missing_ok=True)
    return path


def save_best_weights(folder: Path, tensors: Mapping[str, Tensor], step: int) -> None:
    """Keep the weights that did best on validation, reached at ``step``, and the best before them: the checkpoint that
    a kill would lead back to may still speak of those.
    """
    write_atomic(folder / f"best-{step:08d}.safetensors", save(_plain(tensors)))
    for old in sorted(folder.glob("best-*.safetensors"))[:-MAX_KEPT]:
        old.unlink(missing_ok=True)


def discard_newer_files(folder: Path, step: int) -> None:
    """Remove best weights that a killed process kept after the checkpoint of ``step`` (they will be found again), and
    pieces of files that it was writing.
    """
    for path in folder.glob(".*.safetensors.*"):
        path.unlink(missing_ok=True)
    for path in folder.glob("best-*.safetensors"):
        if int(path.stem.removeprefix("best-")) > step:
            path.unlink(missing_ok=True)


def read_best_weights(folder: Path, step: int) -> dict[str, Tensor]:
    """The weights that ``save_best_weights`` kept at ``step``."""
    path = folder / f"best-{step:08d}.safetensors"
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CapasError("checkpoints_damaged", where=folder, received=path.name) from error


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def newest_checkpoint(folder: Path) -> tuple[dict[str, Tensor], TrainingPosition] | None:
    """The newest readable checkpoint of a run, or None when there is none yet. A damaged one is passed over; raises
    CapasError when there are checkpoints and none can be read.
    """
    paths = sorted(folder.glob("step-*.safetensors"), reverse=True)
    for path in paths:
        try:
            return read_checkpoint(path)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError):
            continue
    if paths:
        raise CapasError("checkpoints_damaged", where=folder, received=", ".join(p.name for p in paths))
    return None


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], TrainingPosition]:
    """Tensors and position of one checkpoint file."""
    open_regular(path).close()  # to open a pipe would wait
    with safe_open(str(path), framework="pt") as stream:
        metadata = stream.metadata() or {}
        tree = parse_json(metadata["position"])
        if not isinstance(tree, dict) or not set(tree) <= {field.name for field in fields(TrainingPosition)}:
            raise ValueError(f"another version's position: {metadata['position'][:80]}")
        position = _POSITION.validate_python(tree)
        return {name: stream.get_tensor(name) for name in stream.keys()}, position  # noqa: SIM118


def optimizer_tensors(optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The state of every optimiser as named tensors."""
    return {
        f"optimizer.{name}.{index}.{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for name, optimizer in optimizers.items()
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if value is not None
    }


def restore_optimizers(optimizers: Mapping[str, torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Put the state that ``optimizer_tensors`` gave back in place.

    Each tensor takes the memory layout of its parameter: fused optimisers walk both in memory order.
    """
    for name, optimizer in optimizers.items():
        prefix = f"optimizer.{name}."
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        tree: dict[int, dict[str, Tensor]] = {}
        for full, tensor in tensors.items():
            if full.startswith(prefix):
                index, key = full.removeprefix(prefix).split(".", 1)
                like = parameters[int(index)]
                if tensor.shape == like.shape:
                    tensor = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
                tree.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": tree})
