"""The specification: what is learnt from what, with a target or without."""

import pytest

from capas.core.spec import Field, Spec

IMAGE = Field(name="image", kind="image")


def test_all_targets_are_listed_and_there_may_be_none() -> None:
    size, weight = Field(name="size", kind="number", unit="cm"), Field(name="weight", kind="number", unit="kg")
    both = Spec(inputs=(IMAGE,), target=size, further_targets=(weight,), task="regress")
    assert both.targets == (size, weight) and both.medium == "image"
    for task in ("embed", "generate", "transform"):
        assert Spec(inputs=(IMAGE,), target=None, task=task).targets == ()  # type: ignore[arg-type]


def test_what_is_supervised_needs_a_target() -> None:
    with pytest.raises(ValueError, match="classify without a target"):
        Spec(inputs=(IMAGE,), target=None, task="classify")
    with pytest.raises(ValueError, match="without a target"):
        Spec(inputs=(IMAGE,), target=None, further_targets=(IMAGE,), task="generate")
