"""Names of splits, of folds and of numbered parts, as people write them."""

import pytest

from capas.data.naming import numbered_siblings, split_from_fold, split_from_name


@pytest.mark.parametrize(
    ("name", "side"),
    [("training_set", "train"), ("seg_train", "train"), ("Training", "train"), ("trainset", "train"),
     ("TrainData", "train"), ("treino", "train"), ("Entrenamiento", "train"), ("train2017", "train"),
     ("valid_set", "validation"), ("dev", "validation"), ("val-images", "validation"), ("validação", "validation"),
     ("test_set", "test"), ("Testing", "test"), ("imágenes de prueba", "test"), ("teste", "test"),
     ("model training", None), ("contest", None), ("train_test", None), ("trainers", None), ("set", None),
     ("2017", None)],
)  # fmt: skip
def test_names_of_splits(name: str, side: str | None) -> None:
    assert split_from_name(name) == side


def test_numbered_parts_differ_in_their_number_alone() -> None:
    assert numbered_siblings(["part_10", "part_9"]) == ("part_9", "part_10")
    assert numbered_siblings(["0", "1"]) == numbered_siblings(["a1"]) == numbered_siblings(["a1", "b2"]) == ()


def test_the_last_fold_is_the_test() -> None:
    folds = numbered_siblings([f"fold{i}" for i in range(1, 11)])
    assert [split_from_fold(fold, folds) for fold in folds] == ["train"] * 8 + ["validation", "test"]
    assert split_from_fold("part_2", ("part_1", "part_2", "part_3")) is None
    assert split_from_fold("fold2", ("fold1", "fold2")) is None
