"""What is nested too deeply is wrong like anything else in a file of somebody else's."""

import pytest

from capas.core.parsing import parse_json, parse_toml


def test_values_come_back() -> None:
    assert parse_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]} and parse_json(b"3") == 3
    assert parse_toml("a = [1, 2]") == {"a": [1, 2]}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", "", "9" * 5000])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = ", "\0"])
def test_what_is_no_toml_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_toml(text)
