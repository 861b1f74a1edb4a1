"""Several processes that train one network: each takes its share of every batch, and gradients are averaged.

The engine reads the variables that ``torchrun`` and Ray Train set (RANK, WORLD_SIZE); alone it is rank 0 of 1.
"""

import importlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """This process is number ``rank`` of ``world_size``; only rank 0 writes files and evaluates."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the ranks, in one exchange."""
        if self.world_size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.world_size
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate the tensors (N, …) of all ranks to (N · world_size, …), in order of rank, on every rank."""
        if self.world_size == 1:
            return tensor
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(self.world_size)]
        dist.all_gather(parts, tensor.detach().contiguous())
        return torch.cat(parts)

    def broadcast(self, value: float) -> float:
        """Rank 0's value, on every rank."""
        if self.world_size == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(tensor, 0)
        return float(tensor)

    def broadcast_flags(self, *decisions: bool) -> tuple[bool, ...]:
        """Rank 0's decisions, on every rank, in one exchange."""
        if self.world_size == 1:
            return decisions
        tensor = torch.tensor(decisions, dtype=torch.uint8)
        dist.broadcast(tensor, 0)
        return tuple(map(bool, tensor.tolist()))

    def broadcast_text(self, text: str) -> str:
        """Rank 0's text, on every rank."""
        if self.world_size == 1:
            return text
        tensor = torch.zeros(int(self.broadcast(len(text.encode("utf-8", "surrogateescape")))), dtype=torch.uint8)
        if self.is_main:
            tensor.copy_(torch.frombuffer(bytearray(text, "utf-8", "surrogateescape"), dtype=torch.uint8))
        dist.broadcast(tensor, 0)
        return bytes(tensor.tolist()).decode("utf-8", "surrogateescape")

    @torch.no_grad()
    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite the tensors with rank 0's."""
        if self.world_size > 1:
            for tensor in tensors:
                dense = tensor.contiguous()  # gloo takes no channels-last
                dist.broadcast(dense, 0)
                tensor.copy_(dense)


@contextmanager
def join_process_group() -> Iterator[Ranks]:
    """The group this process was started in, joined for as long as the context lasts."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Ranks()
        return
    already = dist.is_initialized()
    if not already:
        # Its functions take the group as a default value: imported later (torch._dynamo does), they would hold it past
        # its end, and its threads abort the process when the interpreter goes (pytorch/pytorch#179291).
        importlib.import_module("torch.distributed.nn.functional")
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(rank=dist.get_rank(), world_size=world_size)
    finally:
        if not already:
            dist.destroy_process_group()
