"""One thread, and the oracle beside the fixtures within reach of the tests here."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.harness import FIXTURES

FIXTURES = FIXTURES / "networks"
sys.path.insert(0, str(FIXTURES))


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of recorded references."""
    return FIXTURES


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small inputs gain nothing from more, and other tests may be running."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)
