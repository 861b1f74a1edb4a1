"""Streams of chance that never meet, and what this machine is said to have."""

import os
from pathlib import Path

import pytest
import torch

from capas.core import device
from capas.core.device import available_devices, choose_device, physical_cores
from capas.core.errors import CapasError
from capas.core.rng import derive_seed, seeded_generator


def test_seeds_are_fixed_for_ever() -> None:
    """A changed derivation would change every published figure."""
    assert derive_seed(1, "weights") == 4751643840457870560
    assert derive_seed(1, "order", 3) == 566311224565714898


def test_streams_differ_by_seed_name_and_number() -> None:
    names: list[tuple[str | int, ...]] = [(), ("a",), ("b",), ("a", 1), ("a", 2), ("a", "b")]
    seeds = [derive_seed(seed, *name) for seed in (0, 1) for name in names]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**63 for seed in seeds)


def test_a_stream_is_its_own_and_repeats() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = torch.rand(4, generator=seeded_generator(1, "x"))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.rand(4, generator=seeded_generator(1, "x")), first)
    assert not torch.equal(torch.rand(4, generator=seeded_generator(1, "y")), first)


def test_auto_takes_the_first_device_and_unknown_ones_are_refused() -> None:
    assert available_devices()[-1] == "cpu" and choose_device("cpu").type == "cpu"
    assert str(choose_device("auto")) == available_devices()[0]
    with pytest.raises(CapasError) as caught:
        choose_device("abacus")
    assert caught.value.key == "device_unknown" and "cpu" in str(caught.value)


def test_graphics_cards_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert available_devices()[:2] == ["cuda:0", "cuda:1"]
    assert str(choose_device("auto")) == str(choose_device("cuda")) == "cuda:0"


def test_cores_are_counted_once_and_only_those_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}

    def opened(path: str, **options: str) -> object:
        number = int(path.removeprefix("/sys/devices/system/cpu/cpu").split("/")[0])
        (tmp_path / str(number)).write_text(siblings[number] + "\n")
        return (tmp_path / str(number)).open()

    monkeypatch.setattr(device, "open", opened, raising=False)
    for usable, expected in (({0, 1, 2, 3}, 2), ({0, 2}, 1), ({1}, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, usable=usable: usable, raising=False)
        physical_cores.cache_clear()
        assert physical_cores() == expected
    monkeypatch.undo()
    physical_cores.cache_clear()
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
