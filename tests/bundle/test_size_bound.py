"""What a card asks for is refused before memory is used, and so are settings that no network has."""

import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from capas.bundle.size_bound import SPARE_ELEMENTS, bounded_by, uncounted
from capas.core.errors import CapasError

WEIGHTS = {"weight": torch.zeros(10)}


def test_what_is_filled_before_it_is_registered_costs_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CapasError) as caught, bounded_by(WEIGHTS, where=Path("bundle")):
        nn.Parameter(torch.empty(100, 1_000_000).uniform_(-1, 1))
    assert caught.value.key == "bundle_too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_what_the_file_may_hold_is_made_and_what_is_installed_is_not_counted() -> None:
    with bounded_by(WEIGHTS, where=Path("bundle")):
        assert torch.zeros(SPARE_ELEMENTS).numel() == SPARE_ELEMENTS
        with uncounted():
            assert torch.zeros(SPARE_ELEMENTS + 11).numel() == SPARE_ELEMENTS + 11
    assert torch.zeros(SPARE_ELEMENTS + 11).numel() == SPARE_ELEMENTS + 11  # the bound ends with its context


@pytest.mark.parametrize("size", [-1, 10**30, "x", None])
def test_a_size_that_is_none_is_a_fault_of_the_bundle(size: int) -> None:
    with pytest.raises(CapasError) as caught, bounded_by(WEIGHTS, where=Path("bundle")):
        nn.Parameter(torch.empty(size, 2))
    assert caught.value.key == "bundle_incomplete" and caught.value.received


def test_settings_that_a_network_refuses_are_a_fault_of_the_bundle() -> None:
    for error in (ValueError("width is 0"), KeyError("hidden"), AssertionError(), ZeroDivisionError("by zero")):
        with pytest.raises(CapasError) as caught, bounded_by(WEIGHTS, where=Path("bundle")):
            raise error
        assert caught.value.key == "bundle_incomplete" and caught.value.received
