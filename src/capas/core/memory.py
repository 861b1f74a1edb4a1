"""The memory that this process may still use."""

import os
from pathlib import Path


def available_memory() -> int:
    """Return the bytes that this process may still allocate: the system's estimate, or a container's limit."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return max(0, min(free, limit - int((group / "memory.current").read_text(encoding="ascii"))))
    except (OSError, ValueError, StopIteration):  # no such files here, or "max": no limit
        return free
