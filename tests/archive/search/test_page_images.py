"""Pages of hundreds of megabytes are decoded alone, others two at a time; and nobody waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.archive.library.database import PageRow
from capas.archive.search import snippets
from capas.archive.search.snippets import LARGE_PIXELS, PageImages

PAGE = PageRow(id=1, unit="", position=0, label="", source="0", frame=0, hash="", width=10, height=10, transcript="",
               problem="", lines_from="", model="")  # fmt: skip


def test_a_large_page_is_decoded_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, at_work, seen = threading.Lock(), set[str](), list[set[str]]()

    def decode(path: Path, frame: int, *, hash: str) -> NDArray[np.uint8]:
        with lock:
            at_work.add(path.name)
            seen.append(set(at_work))
        time.sleep(0.01)
        with lock:
            at_work.discard(path.name)
        return np.zeros((2, 2), dtype=np.uint8)

    monkeypatch.setattr(snippets, "decode_page", decode)
    pages = [
        replace(PAGE, source=f"{'large' if k % 3 == 0 else 'small'}{k}", width=LARGE_PIXELS if k % 3 == 0 else 10)
        for k in range(12)
    ]
    images = PageImages()
    with ThreadPoolExecutor(12) as pool:
        assert len(list(pool.map(images.image, pages, timeout=20))) == 12
    assert all(len(together) == 1 for together in seen if any(name.startswith("large") for name in together))
    assert max(map(len, seen)) == snippets.AT_ONCE
