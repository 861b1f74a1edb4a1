"""Transcription of pages by Ray workers, on one machine or many (``pip install "capas[spread]"``).

The same ``ReadingJob`` as in one process, the same function for each page, and the results in the order of the jobs, so
that the archive comes out the same, bit for bit. A worker that is killed costs its job, which Ray gives to another; an
archive is written by one process only, the one that asked.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from capas.archive.reading.pages import LocalReader, PageReading, ReadingJob
from capas.core.device import physical_cores
from capas.core.errors import CapasError

AHEAD: Final = 4  # jobs in flight per worker: enough that none waits, few enough for any memory
TRIES: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class RayWorkers:
    """Reads with ``workers`` of Ray (0: one per CPU), each with the model of the run ``reader``.

    On the cluster that ``RAY_ADDRESS`` names, if it is set.
    """

    reader: str
    min_probability: float
    workers: int = 0

    def outcomes(self, jobs: Iterable[ReadingJob]) -> Iterator[list[PageReading]]:
        """Iterate over the results of the jobs, in their order.

        Raises:
            CapasError: ``extra_missing`` without Ray, ``workers_lost`` where a job cannot be finished.
        """
        try:
            import ray
        except ModuleNotFoundError as error:
            raise CapasError("extra_missing", where="ray", received="ray", extra="spread") from error
        started = not ray.is_initialized()
        if started:
            ray.init(
                num_cpus=self.workers or None, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
            )
        try:
            count = self.workers or physical_cores()
            remote = ray.remote(num_cpus=1, max_retries=TRIES)(read_job)
            waiting: deque[ray.ObjectRef[list[PageReading]]] = deque()
            for job in jobs:
                waiting.append(remote.remote(job, self.reader, self.min_probability))
                if len(waiting) >= AHEAD * count:
                    yield ray.get(waiting.popleft())
            while waiting:
                yield ray.get(waiting.popleft())
        except ray.exceptions.RayError as error:
            raise CapasError("workers_lost", where="ray", received=str(error).splitlines()[0]) from error
        finally:
            if started:
                ray.shutdown()


_HERE: dict[tuple[str, float], LocalReader] = {}  # a worker opens its reader once


def read_job(job: ReadingJob, reader: str, least: float) -> list[PageReading]:
    """Read one job in this process."""
    import torch

    from capas.archive.line_finding.model import LineFinder
    from capas.engine.recipes.transcription.line_reader import LineReader

    if (reader, least) not in _HERE:
        torch.set_num_threads(1)
        _HERE[reader, least] = LocalReader(
            reader=LineReader.open(reader), finder=LineFinder.open().find, min_probability=least
        )
    return next(iter(_HERE[reader, least].outcomes([job])))
