"""Which column, word or stretch decides is known of these models, and the theme says so."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from capas.core.i18n import say
from capas.trust.rendering.blocks import Bars, WordHeatmap
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.themes.explanations_text_tabular_audio import ablation_explanations_theme
from tests.trust.made_models import (
    asked,
    made_context,
    made_subject,
    rows_reader,
    sounds_reader,
    table_rows,
    texts_of,
    tone,
    words_reader,
    write_sounds,
)

N = 30
CLASSES = ("no", "yes")


def ask(subject: ModelUnderTest) -> Theme:
    return ablation_explanations_theme(asked(subject), subject)


def rows(weights: Mapping[str, float]) -> Theme:
    drawn = torch.randn(len(weights), N, generator=torch.Generator().manual_seed(0)).tolist()
    table = table_rows(dict(zip(weights, drawn, strict=True)))
    context = made_context(table, [0] * N, ["test"] * N, classes=CLASSES)
    return ask(made_subject(context, rows_reader(weights)))


def parts(theme: Theme) -> Mapping[str, float]:
    return cast(Mapping[str, float], theme.facts["parts"])


def keys(theme: Theme) -> list[str]:
    return [one.key for one in theme.findings]


def test_a_column_that_decides_alone_is_told() -> None:
    found = rows({"age": 0.1, "height": 5.0, "weight": 0.1})
    assert "one_column_decides" in keys(found) and "“height”" in found.findings[-1].text
    assert next(iter(parts(found))) == "height" and found.facts["n"] == N
    (bars,) = [block for block in found.blocks if isinstance(block, Bars)]
    assert [bar.label for bar in bars.bars] == list(parts(found)) and bars.largest == bars.bars[0].value
    even = rows({"age": 1.0, "height": 1.0, "weight": 1.0})
    assert "one_column_decides" not in keys(even) and max(parts(even).values()) < 2 * min(parts(even).values())
    # Of two columns one always brings half or more.
    assert "one_column_decides" not in keys(rows({"age": 0.0, "height": 5.0}))


def test_the_exact_order_of_a_sum_beats_chance() -> None:
    found = rows({"a": 0.5, "b": 1.0, "c": 2.0, "d": 4.0})
    methods = cast(Mapping[str, Mapping[str, object]], found.facts["methods"])
    assert methods["leave_one_out"]["reliable"] is True and "no_reliable_map" not in keys(found)
    assert cast(float, methods["leave_one_out"]["deletion"]) < cast(float, methods["random"]["deletion"])
    assert cast(float, methods["leave_one_out"]["insertion"]) > cast(float, methods["random"]["insertion"])


def test_a_model_that_listens_to_nothing_has_no_reliable_explanation() -> None:
    found = rows({"a": 0.0, "b": 0.0, "c": 0.0})
    assert keys(found) == ["no_reliable_map"] and set(parts(found).values()) == {0.0}


def texts(said: Sequence[str]) -> Theme:
    context = made_context(texts_of(said), [1] * len(said), ["test"] * len(said), kind="text", classes=CLASSES)
    return ask(made_subject(context, words_reader({"harbour": 2.0, "field": -1.0})))


def test_words_are_coloured_by_what_they_bring() -> None:
    found = texts([f"Harbour and field number{i}" for i in range(N)])
    heatmaps = [block for block in found.blocks if isinstance(block, WordHeatmap)]
    assert len(heatmaps) == 6
    for one in heatmaps:
        assert one.words[:3] == ["Harbour", "and", "field"] and one.weights[1] == one.weights[3] == 0
        assert one.weights[0] == 1 and -1 < one.weights[2] < 0  # relative to the weightiest
        assert "“yes” (73 %)" in one.caption  # σ(1)
    lost = float(torch.tensor(1.0).sigmoid() - torch.tensor(-1.0).sigmoid())
    assert parts(found)["harbour"] == pytest.approx(lost, abs=1e-4)  # counted whatever its case
    # Words are never said to give the answer away, and random weights are tried.
    assert "one_column_decides" not in keys(found)
    methods = cast(Mapping[str, Mapping[str, object]], found.facts["methods"])
    assert methods["leave_one_out"]["random_weights_correlation"] is not None


def test_inputs_of_one_part_cannot_be_taken_apart() -> None:
    found = texts(["harbour"] * N)
    assert found.status == "not_computed" and found.not_computed_because == say("trust.zones.no_parts")
    assert texts(["harbour"] * 5 + ["a harbour"]).facts["n"] == 1


def test_of_sounds_the_stretch_that_is_heard_brings_most(tmp_path: Path) -> None:
    waves = [np.concatenate([tone(300, 0.45), tone(3000 + 5 * i, 0.15)]) for i in range(10)]
    context = made_context(write_sounds(tmp_path, waves), [1] * 10, ["test"] * 10, kind="audio", classes=CLASSES)
    found = ask(made_subject(context, sounds_reader(0.1)))
    starts = [float(name.partition("–")[0]) for name in parts(found)]
    assert len(starts) == 12 and found.facts["n"] == 10
    assert not any(isinstance(block, Bars | WordHeatmap) for block in found.blocks)
