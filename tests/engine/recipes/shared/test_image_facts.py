"""What default values of image problems depend on."""

import pytest

from capas.core.errors import CapasError
from capas.core.spec import TaskName
from capas.data.image.io import ImageArray
from capas.engine.recipes.shared.image_facts import image_facts
from tests.engine.recipes.made_work import image_statistics_of, pixels, report_of, sound_statistics_of, spec_of

PICTURES = ImageArray(pixels(4, 2, 2), "p")


@pytest.mark.parametrize(("task", "regression"), [("classify", False), ("regress", True), ("transform", False)])
def test_training_examples_are_counted_and_medians_taken(task: TaskName, regression: bool) -> None:
    spec = spec_of(task, "image", classes=("a", "b"))
    report = report_of(PICTURES, spec, ["train", None, "test", "train"], statistics=image_statistics_of(30, 20))
    facts = image_facts(report)
    assert (facts.examples, facts.classes, facts.is_regression) == (2, ("a", "b"), regression)
    assert (facts.median_width, facts.median_height, facts.side) == (30, 20, 30)


@pytest.mark.parametrize(
    ("modes", "grey"),
    [(("L",), True), (("1", "I;16", "F", "LA"), True), (("L", "RGB"), False), (("P",), False), (("CMYK",), False)],
)
def test_all_pictures_must_be_grey(modes: tuple[str, ...], grey: bool) -> None:
    report = report_of(PICTURES, spec_of("classify", "image"), ["train"], statistics=image_statistics_of(3, 9, modes))
    assert image_facts(report).grey is grey and image_facts(report).side == 9


def test_without_pictures_there_are_no_facts() -> None:
    for statistics in (None, sound_statistics_of()):
        with pytest.raises(CapasError) as error:
            image_facts(report_of(PICTURES, spec_of("classify", "image"), ["train"], statistics=statistics))
        assert (error.value.key, error.value.where) == ("no_pictures_to_learn", "made")
