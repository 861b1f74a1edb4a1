"""Devices and physical cores of this machine."""

import os
from functools import cache
from typing import TYPE_CHECKING

from capas.core.errors import CapasError

if TYPE_CHECKING:
    import torch  # heavy: who asks for the cores alone does without


def available_devices() -> list[str]:
    """Return the devices that torch can use here, fastest kind first; "cpu" is always among them."""
    import torch

    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_device(requested: str) -> "torch.device":
    """Return the device called ``requested``; "auto" takes the fastest kind. Raises CapasError ``device_unknown``."""
    import torch

    devices = available_devices()
    name = devices[0] if requested == "auto" else "cuda:0" if requested == "cuda" else requested
    if name not in devices:
        raise CapasError(
            "device_unknown", where="execution.device", received=requested, available=", ".join(["auto", *devices])
        )
    return torch.device(name)


@cache
def physical_cores() -> int:
    """Return the physical cores that this process may use: hyper-threads add nothing to matrix products."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores: set[str] = set()
    for number in usable:
        try:
            with open(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list", encoding="ascii") as f:
                cores.add(f.read().strip())
        except OSError:
            return len(usable)
    return max(1, len(cores))


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU multiplies bfloat16 matrices in hardware (AVX-512 BF16 or AMX); emulation is slower."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
            flags = next((line for line in stream if line.startswith("flags")), "")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
