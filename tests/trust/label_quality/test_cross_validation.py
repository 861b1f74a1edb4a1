"""Each training label is judged by a quick model that has not seen it: a wrong one stands out in every medium."""

from pathlib import Path

import pytest
import torch

from capas.trust.label_quality.cross_validation import FOLDS, cross_validated_probabilities
from capas.trust.subjects.single_output import ModelUnderTest
from tests.trust.made_models import (
    half_pictures,
    images_reader,
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

N = 40
TRUE = [i % 2 for i in range(N)]
WRONG = 7


def subject(medium: str, folder: Path) -> ModelUnderTest:
    """Two classes that are easily told; the label of example ``WRONG`` is the other one."""
    labels = [1 - label if i == WRONG else label for i, label in enumerate(TRUE)]
    rng = torch.Generator().manual_seed(0)
    split, classes = ["train"] * N, ("no", "yes")
    if medium == "image":
        return made_subject(made_context(half_pictures(TRUE), labels, split, classes=classes), images_reader())
    if medium == "text":
        said = [f"{('wheat barn', 'boat tide')[label]} word{i}" for i, label in enumerate(TRUE)]
        return made_subject(made_context(texts_of(said), labels, split, kind="text", classes=classes),
                            words_reader({"boat": 1.0}))  # fmt: skip
    if medium == "audio":
        waves = [tone((300, 2500)[label] * (1 + i / 500), 0.15) for i, label in enumerate(TRUE)]
        return made_subject(made_context(write_sounds(folder, waves), labels, split, kind="audio", classes=classes),
                            sounds_reader())  # fmt: skip
    numbers = (2.0 * torch.tensor(TRUE) - 1 + 0.2 * torch.randn(N, generator=rng)).tolist()
    return made_subject(
        made_context(table_rows({"x": numbers}), labels, split, classes=classes), rows_reader({"x": 1.0})
    )


@pytest.mark.parametrize("medium", ["image", "text", "audio", "table"])
def test_a_wrong_label_is_least_believed(medium: str, tmp_path: Path) -> None:
    asked, told = subject(medium, tmp_path), list[tuple[int, int]]()
    labels = asked.train.targets
    found = cross_validated_probabilities(asked, labels, torch.Generator().manual_seed(0),
                                          lambda done, total: told.append((done, total)))  # fmt: skip
    torch.testing.assert_close(found.sum(1), torch.ones(N))
    own = found.gather(1, labels[:, None])[:, 0]
    assert int(own.argmin()) == WRONG and own[WRONG] < 0.5
    if medium != "image":  # forty pictures are few for a network
        assert (found.argmax(1) == torch.tensor(TRUE)).float().mean() > 0.95
    assert told == ([(fold, FOLDS) for fold in range(1, FOLDS + 1)] if medium == "image" else [])
