"""A temperature divides logits: it is a number above 0."""

import pytest
from pydantic import ValidationError

from capas.engine.recipes.shared.temperature import TEMPERATURE_ADAPTER


def test_a_number_above_zero_is_a_temperature() -> None:
    assert [TEMPERATURE_ADAPTER.validate_python(value) for value in (1, 0.25, 1e-9)] == [1.0, 0.25, 1e-9]


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "warm", None, [1.0]])
def test_nothing_else_is(value: object) -> None:
    with pytest.raises(ValidationError):
        TEMPERATURE_ADAPTER.validate_python(value)
