"""What a split leaves nothing to be done with."""

import pytest

from capas.data.inspect.data_checks import split_problems
from capas.data.naming import SplitName


@pytest.mark.parametrize(
    ("split", "kinds"),
    [
        (("train", "validation", "test"), {"one_example"}),
        (("train", "train", "validation", "test"), set()),
        (("test", "validation"), {"empty_train"}),
    ],
)
def test_one_example_is_too_few_to_learn_from(split: tuple[SplitName, ...], kinds: set[str]) -> None:
    assert {one.kind for one in split_problems(split, [""] * len(split), ()) if one.severity == "error"} == kinds
