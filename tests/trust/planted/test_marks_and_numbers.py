"""A grain, a colour or a corner that tells a class, and numbers in another unit or of another row; and their twins."""

import pytest
import torch

from capas.core.spec import Field
from capas.data.image.io import ImageArray
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.trust.label_quality.number_outliers import find_number_issues
from capas.trust.leakage import giveaway_findings as giveaways
from capas.trust.leakage.giveaway_findings import giveaway_findings
from capas.trust.leakage.image_marks import best_cut_accuracy, telling_marks
from capas.trust.theme import Theme
from capas.trust.themes.labels import labels_theme
from tests.trust.made_models import asked, images_reader, made_context, made_subject, rows_reader, table_rows


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 120, channels: int = 1) -> torch.Tensor:
    """A light square of any size in the middle of a noisy ground."""
    images = 0.2 + 0.03 * torch.randn(n, channels, 28, 28, generator=rng())
    for image, size in zip(images, torch.randint(3, 9, (n,), generator=rng()).tolist(), strict=True):
        image[:, 14 - size : 14 + size, 14 - size : 14 + size] += 0.6
    return images.clamp(0, 1)


LABELS = torch.arange(120) % 3


def marked(mark: str) -> torch.Tensor:
    images, own = pictures(channels=3 if mark == "colour" else 1), LABELS == 1
    if mark == "grain":
        images[own, :, ::2] += 0.1
    elif mark == "corner":
        images[own, :, -3:, :3] = 1.0
    elif mark == "colour":
        images[own, 0] += 0.2
    elif mark == "size":  # what is shown may tell the class
        images[own, :, 4:24, 4:24] += 0.2
    return images.clamp(0, 1)


@pytest.mark.parametrize(
    ("mark", "feature"), [("grain", "grain"), ("corner", "bottom_left"), ("colour", "colour"), ("size", ""), ("", "")]
)
def test_a_mark_of_one_class_is_told_with_its_class(mark: str, feature: str) -> None:
    found = telling_marks(marked(mark), LABELS)
    assert (found[0].feature if found else "") == feature
    assert not found or (found[0].label == 1 and found[0].accuracy > 0.99)


def test_the_finding_names_the_class_and_the_place() -> None:
    arrays = torch.randint(60, 90, (80, 8, 8), generator=rng(), dtype=torch.uint8)
    labels = torch.arange(80) % 2
    arrays[labels == 1, -2:, :2] = 250
    context = made_context(ImageArray(arrays.numpy(), "made"), labels.tolist(), ["train"] * 80, classes=("a", "b"))
    (found,) = giveaway_findings(made_subject(context, images_reader()))
    assert found.key == "told_beside_the_content" and "bottom left" in found.text and "“" in found.text


def test_examples_that_lie_by_class_are_looked_at_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside class "a" alone the corner would tell "b"; it is the same in "c" and "d", which lie behind."""
    monkeypatch.setattr(giveaways, "LOOKED_AT", 100)
    arrays = torch.randint(60, 90, (200, 8, 8), generator=rng(), dtype=torch.uint8)
    labels = torch.arange(200) // 50
    arrays[labels > 0, -2:, :2] = 250
    context = made_context(ImageArray(arrays.numpy(), "made"), labels.tolist(), ["train"] * 200, classes=tuple("abcd"))
    found = giveaway_findings(made_subject(context, images_reader()))
    assert [one.text for one in found if "“b”" in one.text] == [] and len(found) == 1 and "“a”" in found[0].text


def test_the_best_cut_by_hand() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert best_cut_accuracy(values, torch.tensor([True, True, False, False])) == 1
    assert best_cut_accuracy(values, torch.tensor([False, False, True, True])) == 1
    assert best_cut_accuracy(values, torch.tensor([True, False, True, False])) == 0.75
    assert best_cut_accuracy(torch.ones(4), torch.tensor([True, True, False, False])) == 0.5


def measured(n: int = 240, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Heights of 2 to 14 by age and girth, with noise."""
    x = torch.rand(n, 2, generator=rng(seed))
    return x, 2 + 10 * x[:, 0] + 2 * x[:, 1] + 0.2 * torch.randn(n, generator=rng(seed + 9))


@pytest.mark.parametrize(("factor", "said"), [(1000.0, 1000.0), (1 / 100, 1 / 100), (2.5, 2.54), (1.0, 1.0)])
def test_numbers_in_another_unit_are_told_with_the_factor(factor: float, said: float) -> None:
    x, y = measured()
    wrong = torch.arange(len(y)) % 10 == 3
    found = find_number_issues(x, torch.where(wrong, factor * y, y))
    assert found.factor == pytest.approx(said) and not len(found.far)
    assert set(found.other_unit.tolist()) == (set(wrong.nonzero()[:, 0].tolist()) if factor != 1 else set())


def test_numbers_far_from_what_the_row_suggests_are_told_and_noise_that_grows_is_not() -> None:
    x, y = measured()
    wrong = torch.arange(len(y)) % 20 == 3
    found = find_number_issues(x, torch.where(wrong, -y, y))
    assert set(found.far.tolist()) == set(wrong.nonzero()[:, 0].tolist()) and not len(found.other_unit)
    uneven = y + 5 * x[:, 0] ** 2 * torch.randn(len(y), generator=rng(3))
    assert not len(find_number_issues(x, uneven).far) and not len(find_number_issues(x, y).far)


def theme(factor: float) -> Theme:
    x, y = measured()
    y = torch.where(torch.arange(len(y)) % 10 == 3, factor * y, y)
    context = made_context(table_rows({"a": x[:, 0].tolist(), "b": x[:, 1].tolist()}), [(one,) for one in y.tolist()],
                           ["train"] * len(y), task="regress", metrics={"metrics": {}, "baseline": {}})  # fmt: skip
    head = NumbersHead([Field(name="height", kind="number")])
    head.fit(torch.tensor([[-1.0], [1.0]]))
    reader = rows_reader({"a": 1.0, "b": 1.0})
    reader.network.output = torch.nn.Linear(2, 1)
    return labels_theme(asked(made_subject(context, reader, head)))


def test_the_theme_says_the_unit_and_lists_the_rows() -> None:
    found = theme(1000.0)
    assert [(one.key, one.gravity) for one in found.findings] == [("targets_in_another_unit", "problem")]
    assert "1,000" in found.findings[0].text and "24" in found.findings[0].text
    assert found.files["labels-to-review.csv"].count(b"\n") == 25
    clean = theme(1.0)
    assert clean.findings == [] and clean.files == {} and clean.status == "nothing_found"
