"""Figures of translations that are right, and of the sources copied."""

from collections.abc import Mapping

import pytest

from capas.engine.recipes.translation.evaluate import evaluate_translations

REFERENCES = ["the small boat sails home today", "wheat grows in the wide field", "rain falls on the old barn"]
SOURCES = ["el barco vuelve a casa hoy", "wheat grows in the wide field", "la lluvia cae en el granero"]


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def test_references_are_right_and_sources_are_the_baseline() -> None:
    found = evaluate_translations(["a", "b", "c"], SOURCES, REFERENCES, [f" {text}\n" for text in REFERENCES])
    assert found.n == 3 and next(iter(found.metrics)) == "bleu"
    assert value(found.metrics["bleu"]) == pytest.approx(100, abs=1e-6) and value(found.metrics["exact"]) == 1.0
    copied = found.baseline["copy"]
    assert value(copied["exact"]) == pytest.approx(1 / 3, abs=1e-6) and 0 < value(copied["bleu"]) < 60
    assert found.rows[0] == ["example", "source", "reference", "translation"]
    assert found.rows[2] == ["b", SOURCES[1], REFERENCES[1], f" {REFERENCES[1]}\n"]


def test_nothing_in_common_has_no_bleu() -> None:
    found = evaluate_translations(["a"], ["x y z w"], ["a b c d"], ["e f g h"])
    assert value(found.metrics["bleu"]) == pytest.approx(0, abs=1e-6) and value(found.metrics["exact"]) == 0.0


def test_the_same_translations_have_the_same_intervals() -> None:
    said = [REFERENCES[0], "wheat in the field", "rain"]
    one, again = (evaluate_translations(["a", "b", "c"], SOURCES, REFERENCES, said).as_json() for _ in range(2))
    assert one == again
