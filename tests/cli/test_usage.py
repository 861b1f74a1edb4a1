"""Wrong usage: what is wrong, what was received, what is expected and what to do, in both languages and as JSON."""

import pytest

from tests.harness import Answer, capas_apart, capas_here

CASES = [
    (["train"], "usage_missing", "DATA", ""),
    (["train", "x", "--nosuch"], "usage_no_option_near", "--nosuch", "--out"),
    (["train", "x", "--zz"], "usage_no_option", "--zz", ""),
    (["tra"], "usage_no_command_near", "tra", "train, trust"),
    (["xyzzy"], "usage_no_command", "xyzzy", "look, plan"),
    (["archive", "rea"], "usage_no_command_near", "rea", "read"),
    (["look", "a", "b c"], "usage_extra", "b c", ""),
    (["train", "x", "--seed=-3"], "usage_bad_value", "-3", "a whole number, 0 or more"),
    (["train", "x", "--seed", "one"], "usage_bad_value", "one", "a whole number, 0 or more"),
    (["attack", "x", "y", "--size", "3"], "usage_bad_value", "3", "a number from 0.001 to 1.0"),
    (["train", "x", "--report", "long"], "usage_bad_value", "long", "none, quick, standard, deep"),
    (["predict", "run", ""], "usage_empty", "", "not set"),
    (["archive", "new", ""], "usage_empty", "", "not set"),
]


@pytest.mark.parametrize(("words", "key", "received", "expected"), CASES, ids=lambda value: str(value)[:30])
def test_each_mistake_says_what_was_received_and_expected(
    words: list[str], key: str, received: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = capas_here(capsys, *words, "--json")
    assert said.code == 2
    assert isinstance(said.json, dict)
    assert said.json["error"] == key and said.json["received"] == received and expected in said.json["expected"]
    shown = capas_here(capsys, *words)
    assert shown.code == 2 and shown.err.startswith("✗ ") and received in shown.err and "Traceback" not in shown.err
    assert "Usage:" not in shown.err


def test_an_option_without_its_value_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "train", "x", "--seed")
    assert said.code == 2 and "--seed" in said.err and "--seed 3" in said.err


def spanish(*words: str) -> Answer:
    return capas_apart(*words, env={"CAPAS_LANG": "es", "COLUMNS": "100"})


def test_no_english_word_of_the_library_remains_in_spanish_help() -> None:
    for words in (["--help"], ["train", "--help"], ["archive", "--help"], ["predict", "-h"]):
        shown = spanish(*words).out
        for word in ("Show this", "[required]", "[default", "Options", "Arguments", "Commands", "Install", "OPTIONS"):
            assert word not in shown, (words, word)
    assert "[obligatorio]" in spanish("predict", "-h").out and "[por defecto: 3]" in spanish("predict", "-h").out


def test_wrong_usage_is_told_in_spanish() -> None:
    assert "Falta DATA" in spanish("train").err
    assert "un número entero, 0 o más" in spanish("train", "x", "--seed", "x").err
