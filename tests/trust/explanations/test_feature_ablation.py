"""Leaving one out: what a sum of parts loses without each of them is that part."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from capas.data.tabular.preprocess import ColumnEncoding, EncodedRows, TabularPreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.trust.explanations.feature_ablation import (
    MAX_WORDS,
    TIME_SEGMENTS,
    AblationFeatures,
    ablation_curves,
    baseline_cells,
    column_features,
    leave_one_out_attributions,
    tabular_row_of,
    time_segment_features,
    word_features,
)
from tests.trust.made_models import (
    OfNumbers,
    half_pictures,
    images_reader,
    made_context,
    made_subject,
    rows_reader,
    table_rows,
    texts_of,
    words_reader,
)

ALL = torch.ones(3, dtype=torch.bool)
VALUES = (0.5, -0.25, 1.0)


def summed(inputs: Sequence[object]) -> Tensor:
    return torch.tensor([sum(VALUES[i] for i in one) + 2 for one in inputs])  # type: ignore[attr-defined]


def kept_numbers() -> AblationFeatures:
    """The input is the set of the features that are kept."""
    return AblationFeatures(names=("a", "b", "c"), keep=lambda mask: frozenset(mask.nonzero()[:, 0].tolist()))


def test_of_a_sum_each_part_loses_itself() -> None:
    found = leave_one_out_attributions(kept_numbers(), summed)
    assert found.weights.tolist() == list(VALUES) and found.score == 3.25 and found.names == ("a", "b", "c")


def test_curves_go_from_the_whole_to_nothing_and_back() -> None:
    deletion, insertion = ablation_curves(kept_numbers(), summed, [2, 0, 1], [0.0, 0.3, 0.6, 1.0])
    assert deletion.tolist() == [3.25, 2.25, 1.75, 2.0]
    assert insertion.tolist() == [2.0, 3.0, 3.5, 3.25]
    # What is deleted in one order is what is inserted in the other.
    backwards = ablation_curves(kept_numbers(), summed, [1, 0, 2], [0.0, 0.3, 0.6, 1.0])
    assert backwards[1].flip(0).tolist() == deletion.tolist()


def test_words_are_left_out_and_the_rest_of_a_long_text_stays() -> None:
    features = word_features("one  two three")
    assert features.names == ["one", "two", "three"] and features.keep(ALL) == "one two three"
    assert features.keep(torch.tensor([True, False, True])) == "one three"
    assert features.keep(~ALL) == " "  # an empty text would be refused
    long = word_features(" ".join(map(str, range(MAX_WORDS + 2))))
    assert len(long.names) == MAX_WORDS and long.keep(torch.zeros(MAX_WORDS, dtype=torch.bool)) == "200 201"


PREPARATION = TabularPreprocessing(
    columns=(
        ColumnEncoding(name="age", kind="number", mean=(40.0,), std=(10.0,)),
        ColumnEncoding(name="town", kind="category", values=("Quito", "Lima")),
        ColumnEncoding(name="born", kind="date", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    )
)


def test_a_column_that_is_left_out_gets_its_typical_cell() -> None:
    assert baseline_cells(PREPARATION) == {"age": 40.0, "town": "Quito", "born": None}
    reader = TabularReader(OfNumbers(torch.ones(1, 4)), PREPARATION)
    row = {"age": 60.0, "town": "Lima", "born": "1970-01-02", "unused": 1.0}
    features = column_features(reader, row, baseline_cells(PREPARATION))
    assert features.names == ["age", "town", "born"]
    whole, none = features.keep(ALL), features.keep(~ALL)
    assert isinstance(whole, EncodedRows) and isinstance(none, EncodedRows)
    assert whole.numbers[0, :2].tolist() == [2.0, 1.0] and whole.categories.tolist() == [[2]]
    assert none.numbers[0, 0] == 0 and none.numbers[0, 1:].isnan().all() and none.categories.tolist() == [[1]]
    assert tabular_row_of(Item(name="", content=row)) == row
    with pytest.raises(AssertionError):
        tabular_row_of(Item(name="", content="age=60"))


@pytest.mark.parametrize("samples", [240, 1001, 30])
def test_stretches_of_time_fill_the_sound_and_fall_silent(samples: int) -> None:
    wave = np.arange(1, samples + 1, dtype=np.float32)
    features, silent = time_segment_features(wave, 100), np.zeros(samples, dtype=int)
    assert len(features.names) == TIME_SEGMENTS and features.names[0].startswith("0.00–")
    assert features.names[-1].endswith(f"–{samples / 100:.2f} s")
    for i in range(TIME_SEGMENTS):
        kept = features.keep(torch.arange(TIME_SEGMENTS) != i)
        assert isinstance(kept, np.ndarray)
        silent += kept == 0
        assert np.array_equal(kept[kept != 0], wave[kept != 0])
    assert (silent == 1).all() and wave[0] == 1


def test_each_medium_has_its_features_and_pictures_have_none() -> None:
    rows = made_subject(made_context(table_rows({"a": [1.0, 5.0]}), [0, 1], ["train", "test"], classes=("no", "yes")),
                        rows_reader({"a": 1.0}))  # fmt: skip
    found = rows.adapter.example_ablation_features(rows.inputs, 1)
    assert found is not None and found.names == ["a"]
    kept = found.keep(torch.tensor([True]))
    assert isinstance(kept, EncodedRows) and kept.numbers.tolist() == [[5.0]]
    assert rows.adapter.ablation_features(kept) is None  # encoded already
    texts = made_subject(made_context(texts_of(["x", "y z"]), [0, 1], ["train", "test"], kind="text",
                                      classes=("no", "yes")), words_reader({"y": 1.0}))  # fmt: skip
    of_text = texts.adapter.example_ablation_features(texts.inputs, 1)
    of_prepared = texts.adapter.ablation_features("p q")
    assert of_text is not None and of_text.names == ["y", "z"]
    assert of_prepared is not None and of_prepared.names == ["p", "q"]
    score = texts.score_function(1)
    assert score(["y", "z"]).tolist() == pytest.approx([float(torch.tensor(1.0).sigmoid()), 0.5])
    pictures = made_subject(made_context(half_pictures([0, 1]), [0, 1], ["train", "test"], classes=("l", "r")),
                            images_reader())  # fmt: skip
    assert pictures.adapter.example_ablation_features(pictures.inputs, 0) is None
