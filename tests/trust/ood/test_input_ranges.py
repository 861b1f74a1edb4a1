"""What lies far outside the range of the training inputs is refused for that alone, by name; its like is not."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from capas.data.tabular.columns import Cell
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.trust.ood.input_measures import image_measures, sound_measures
from capas.trust.ood.input_ranges import END, FAR, MIN_DECIDING, InputRanges
from capas.trust.ood.threshold import FisherCombination
from capas.trust.ood.word_statistics import (
    cross_fitted_word_measures,
    fit_word_statistics,
    word_measures,
)
from capas.trust.subjects.factory import input_adapter
from capas.trust.subjects.tabular_inputs import TabularInputAdapter
from tests.trust.made_models import rows_reader, table_rows, tone


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fitted(measures: Mapping[str, torch.Tensor]) -> InputRanges:
    found = InputRanges.fit(measures)
    assert found is not None
    return found


def test_the_surprise_by_hand() -> None:
    ranges = fitted({"a": torch.arange(1000.0), "b": torch.full((1000,), 7.0)})
    asked = {"a": torch.tensor([499.0, 4.0, 949.0, 1499.0, -499.0]), "b": torch.full((5,), 7.0)}
    # Two-sided: of 1,000 five are as small as 4 and 51 as large as 949; b never differs from its median.
    inside = [0.0, -math.log10(0.01), -math.log10(0.102)]
    assert ranges.score(asked).tolist() == pytest.approx([*inside, END + 1, END + 1], abs=0.01)
    other = ranges.score({"a": torch.full((2,), 499.0), "b": torch.tensor([7.07, 9.0])})
    assert other.tolist() == pytest.approx([END + 0.5, END + 2 / 0.14], rel=1e-4)
    assert float(ranges.score({"a": torch.tensor([1e9]), "b": torch.tensor([7.0])})) == FAR


def test_a_missing_value_is_far_only_where_none_was_missing() -> None:
    some = torch.where(torch.arange(200) % 10 == 0, torch.nan, torch.arange(200.0))
    ranges = fitted({"full": torch.arange(200.0), "gaps": some})
    nothing = {"full": torch.tensor([90.0, torch.nan]), "gaps": torch.tensor([torch.nan, 90.0])}
    assert ranges.score(nothing)[0] < 0.1 and ranges.score(nothing)[1] == FAR
    (usual, absent) = ranges.with_limit(torch.zeros(100), 0.05).violations(nothing)
    assert usual is None and absent is not None and absent.measure == "full" and np.isnan(absent.value)
    assert InputRanges.fit({"empty": torch.full((3,), torch.nan)}) is None and InputRanges.fit({}) is None


def test_the_limit_lets_a_fifth_of_the_alarms_pass_and_is_never_small() -> None:
    ranges = fitted({"a": torch.arange(101.0)})
    assert ranges.with_limit(torch.full((500,), 1.3), 0.05).limit == MIN_DECIDING
    heavy = torch.arange(1.0, 501.0)
    assert ranges.with_limit(heavy, 0.05).limit == 495.0  # five of 500 lie above: 1 %
    assert ranges.with_limit(heavy[:20], 0.05).limit == 20.0


def test_loaded_is_saved() -> None:
    ranges = fitted({"größe": torch.arange(50.0), "b": torch.ones(50)}).with_limit(torch.zeros(60), 0.05)
    again = InputRanges.from_tensors(load(save(ranges.tensors())))
    asked = {"größe": torch.tensor([3.0, 99.0]), "b": torch.tensor([1.0, 1.0])}
    assert again.names == ranges.names and again.limit == ranges.limit
    assert torch.equal(again.score(asked), ranges.score(asked))


def test_a_score_that_decides_alone_keeps_the_rate_of_alarms() -> None:
    """Over draws: 5 % with the limit as without it; and one that exceeds it is refused whatever the others say."""
    alarms = []
    for seed in range(40):
        held, new = ({"near": torch.randn(n, generator=rng(s)), "ranges": torch.randn(n, generator=rng(s + 99)).exp()}
                     for n, s in ((200, seed), (400, seed + 5000)))  # fmt: skip
        limit = float(held["ranges"].sort(descending=True).values[2])
        model = FisherCombination.fit(held, decisive={"ranges": limit})
        alarms.append(float(model.is_ood(new).float().mean()))
        assert bool(model.is_ood({"near": torch.tensor([-9.0]), "ranges": torch.tensor([limit + 1])}))
    assert 0.035 < sum(alarms) / len(alarms) < 0.065
    again = FisherCombination.from_tensors(load(save(model.tensors())))
    assert again.decisive == model.decisive and torch.equal(again.is_ood(new), model.is_ood(new))


def people(n: int = 300) -> list[dict[str, Cell]]:
    ages, towns = torch.randint(18, 96, (n,), generator=rng()).tolist(), ["Soria", "Ronda", "Oviedo"]
    return [{"age": float(age), "town": towns[i % 3], "name": f"n{i}", "seen": f"2020-01-{1 + i % 28:02d}"}
            for i, age in enumerate(ages)]  # fmt: skip


def people_adapter() -> TabularInputAdapter:
    rows = people()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    reader = rows_reader({"age": 1.0})
    reader.preparation = TabularPreprocessing.fit(table_rows(columns).columns)
    adapter = input_adapter(reader)
    assert isinstance(adapter, TabularInputAdapter)
    return adapter


@pytest.mark.parametrize(
    ("change", "measure"),
    [({"age": 5000.0}, "age"), ({"age": None}, "age"), ({"town": "Teruel"}, "town"), ({"town": None}, "town"),
     ({"seen": "2031-07-01"}, "seen"), ({"name": "somebody"}, ""), ({"age": 97.0}, ""), ({}, "")],
)  # fmt: skip
def test_rows_far_off_in_one_column_are_named(change: dict[str, Cell], measure: str) -> None:
    """Names differ in every row, so another new one is nothing unusual."""
    adapter = people_adapter()
    measures, state = adapter.fit_measures(people())
    found = InputRanges.fit(measures, state)
    assert found is not None
    ranges = found.with_limit(found.score(adapter.measures(people(), state)), 0.05)
    row = {**people()[0], **change}
    (one,) = ranges.violations(adapter.measures([row], ranges.state))
    assert ("" if one is None else one.measure) == measure
    if one is not None and measure == "age" and change["age"]:
        assert (one.value, one.low, one.high) == (5000.0, 18.0, 95.0)


def test_a_row_is_measured_alike_as_given_and_as_encoded() -> None:
    adapter, row = people_adapter(), people()[0]
    given, encoded = (adapter.measures([one], {}) for one in (row, adapter.reader.preparation.encode([row])))
    for name in given:
        assert float(encoded[name]) == pytest.approx(float(given[name]), rel=1e-4)


def test_the_words_for_what_is_out_of_range() -> None:
    adapter = people_adapter()
    assert adapter.measure_label("age") == "column “age”" and adapter.is_category("town")
    assert adapter.measured_value({"age": 5000.0}, "age", 5000.0) == "5,000"
    assert adapter.measured_value({"town": "Teruel"}, "town", 0.0) == "Teruel"
    assert adapter.measured_value({}, "seen", 18262.0) == "2020-01-01"


def test_images_are_measured_as_drawn() -> None:
    image = torch.zeros(1, 1, 10, 10)
    image[..., 2:4, :] = 1.0  # a stroke of 2 × 10 pixels
    found = {name: float(one) for name, one in image_measures(image).items()}
    assert found["brightness"] == pytest.approx(0.2) and found["ink"] == pytest.approx(0.2) and found["colour"] == 0
    assert found["stroke"] == pytest.approx(2.0) and found["edges"] == pytest.approx(20 / 90)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert float(image_measures(red)["colour"]) == 1.0


def test_sounds_are_measured_in_their_units() -> None:
    low, high = tone(500, 0.5, loudness=0.1), tone(3000, 0.25, loudness=0.5)
    found = sound_measures([low, high], 8000)
    assert found["seconds"].tolist() == pytest.approx([0.5, 0.25])
    assert found["pitch_centre"].tolist() == pytest.approx([500, 3000], rel=0.05)
    assert found["high_share"].tolist() == pytest.approx([0, 1], abs=0.01)
    assert float(found["loudness"][1] - found["loudness"][0]) == pytest.approx(20 * np.log10(5), abs=0.5)
    half = np.repeat(low, 2)  # at half the speed
    slow = sound_measures([half], 8000)
    assert float(slow["pitch_centre"]) == pytest.approx(250, rel=0.3) and float(slow["seconds"]) == pytest.approx(1.0)
    turns = np.concatenate([tone(500, 0.1), tone(2000, 0.1)] * 3)  # five changes in 0.6 s
    assert float(found["pace"][0]) < 1 and 5 < float(sound_measures([turns], 8000)["pace"]) < 12
    silence = sound_measures([np.zeros(4000, np.float32), np.zeros(3, np.float32)], 8000)
    assert silence["loudness"].tolist() == [-100, -100]


def sentences(n: int = 120) -> list[str]:
    draw = np.random.default_rng(0)
    things, acts = ["boat", "field", "judge", "stone", "child"], ["sees", "finds", "takes", "keeps"]
    return [
        f"the {draw.choice(things)} {draw.choice(acts)} the {draw.choice(things)} and the {draw.choice(things)} "
        f"{draw.choice(acts)} a {draw.choice(things)}."
        for _ in range(n)
    ]


def test_the_order_of_words_and_unknown_ones_are_measured() -> None:
    texts, draw = sentences(), np.random.default_rng(1)
    state = fit_word_statistics(texts)
    mixed = [" ".join(draw.permutation(text.rstrip(".").split())) + "." for text in texts[:20]]
    usual, shuffled = (word_measures(part, state)["word_order"] for part in (texts[:20], mixed))
    assert float(usual.min()) > float(shuffled.mean()) and float(shuffled.mean()) < 0.5 * float(usual.mean())
    other = word_measures(["el barco ve la piedra", "the boat sees"], state)["unknown_words"]
    assert other.tolist() == pytest.approx([1.0, 0.0])
    held_out = cross_fitted_word_measures(texts)
    assert all(len(values) == len(texts) and not values.isnan().any() for values in held_out.values())
