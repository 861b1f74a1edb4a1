"""Which columns colour a map, and how."""

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.representation.map.map_columns import colour_number, map_columns
from tests.representation.map.made_vectors import grouped, vectors_of

COLUMNS = {
    "id": [f"x{i}" for i in range(12)],
    "age": ["31.5", "40.25", "", "52.75", "61.5", "22.25", "33.125", "47.5", "58.75", "69.5", "20.25", "1e999"],
    "place": ["León", "Ávila", "León", "León", "", "Ávila"] * 2,
    "text": ["word " * 500] * 12,
}
VECTORS = vectors_of(grouped(12), COLUMNS)


def test_numbers_categories_and_texts_are_told_apart() -> None:
    identity, age, place, text = map_columns(VECTORS)
    assert [one.kind for one in (identity, age, place, text)] == ["text", "number", "category", "text"]
    assert place.categories == ("León", "Ávila", "") and place.codes is not None
    assert [place.categories[code] for code in place.codes] == COLUMNS["place"]
    assert age.numbers is not None and np.isnan(age.numbers[[2, 11]]).all() and age.numbers[0] == 31.5
    assert 20.25 <= age.low < age.high <= 69.5
    assert len(text.texts[0]) == 400


def test_the_column_is_the_one_asked_for_else_the_classes_else_the_first_that_fits() -> None:
    columns = map_columns(VECTORS)
    assert colour_number(VECTORS, columns, "age") == 1 and colour_number(VECTORS, columns, None) == 2
    classes = vectors_of(grouped(12), {"place": COLUMNS["place"], "class": ["a", "b"] * 6})
    assert colour_number(classes, map_columns(classes), None) == 1
    plain = vectors_of(grouped(12), {"id": COLUMNS["id"]})
    assert colour_number(plain, map_columns(plain), None) == -1


@pytest.mark.parametrize(("wanted", "key"), [("agee", "map_no_such_column"), ("id", "map_colour_text")])
def test_a_column_that_does_not_fit_is_refused_with_those_that_do(wanted: str, key: str) -> None:
    with pytest.raises(CapasError) as refused:
        colour_number(VECTORS, map_columns(VECTORS), wanted)
    assert refused.value.key == key and "place" in str(refused.value)
