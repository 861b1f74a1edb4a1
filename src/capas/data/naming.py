"""Comparison and sorting of names: accents, names of splits and folds, natural order."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final, Literal

SplitName = Literal["train", "validation", "test"]
_SPLITS: Final[dict[str, SplitName]] = {
    "train": "train", "training": "train", "entrenamiento": "train", "entreno": "train",
    "trainings": "train", "treino": "train", "treinamento": "train", "entrainement": "train",
    "apprentissage": "train", "entrenament": "train", "entrenar": "train", "addestramento": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "validacion": "validation",
    "dev": "validation", "devel": "validation", "development": "validation", "desarrollo": "validation",
    "validate": "validation", "validating": "validation", "validar": "validation", "validacao": "validation",
    "validazione": "validation", "validierung": "validation", "validacio": "validation",
    "test": "test", "testing": "test", "prueba": "test", "pruebas": "test", "tests": "test", "teste": "test",
    "testes": "test", "eval": "test", "evaluation": "test", "evaluacion": "test", "holdout": "test", "prova": "test",
}  # fmt: skip
# What may stand beside the name of a split: "training_set", "seg_train", "imagenes_prueba".
_BESIDE_SPLIT: Final = frozenset({
    "set", "sets", "data", "dataset", "datos", "split", "subset", "part", "folder", "seg", "conjunto", "particion",
    "de", "images", "image", "imgs", "img", "pictures", "photos", "imagenes", "imagen", "fotos", "audio", "sounds",
    "texts", "textos", "samples", "examples", "ejemplos", "muestras", "final", "new", "original",
})  # fmt: skip
_NUMBERED: Final = re.compile(r"(.*?)[ _.-]*(\d{1,3})")
FOLD_NAMES: Final = frozenset({"fold", "folds", "kfold", "cvfold", "pliegue", "dobra"})


def normalise_name(text: str) -> str:
    """Return ``text`` in lower case without accents, for comparing names.

    >>> normalise_name("Validación")
    'validacion'
    """
    decomposed = unicodedata.normalize("NFD", text.casefold().strip())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def split_from_name(name: str) -> SplitName | None:
    """Return the split that a folder or a cell names; None where it names none or more than one.

    >>> split_from_name("training_set"), split_from_name("Prueba"), split_from_name("train2017")
    ('train', 'test', 'train')
    >>> split_from_name("train station"), split_from_name("contest") is None
    (None, True)
    """
    normal = normalise_name(name)
    if normal in _SPLITS:
        return _SPLITS[normal]
    normal = normalise_name(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    words = [_without_ending(word) for word in re.split(r"[^a-z]+", normal) if word]
    sides = {_SPLITS[word] for word in words if word in _SPLITS}
    others = [word for word in words if word not in _SPLITS and word not in _BESIDE_SPLIT]
    return sides.pop() if len(sides) == 1 and not others else None


def _without_ending(word: str) -> str:
    """ "train" for "trainset" and "traindata"; other words as they are."""
    return next((bare for end in ("set", "data", "dataset") if (bare := word.removesuffix(end)) in _SPLITS), word)


def numbered_siblings(names: Collection[str]) -> tuple[str, ...]:
    """Return the names by their numbers if they differ in nothing else ("part_1", "part_2"); else ().

    >>> numbered_siblings(["fold10", "fold2"]), numbered_siblings(["cats", "dogs2"])
    (('fold2', 'fold10'), ())
    """
    found = {name: _NUMBERED.fullmatch(normalise_name(name)) for name in names}
    stems = {match[1] if match else None for match in found.values()}
    if len(names) < 2 or len(stems) != 1 or None in stems or stems == {""}:
        return ()
    return tuple(sorted(names, key=natural_key))


def split_from_fold(name: str, folds: Sequence[str]) -> SplitName | None:
    """Return the split of one of the numbered ``folds``: the last is the test, the one before it the validation.

    None where the names do not speak of folds, or where there are fewer than three.
    """
    stem = re.split(r"[^a-z]+", normalise_name(name))[0]
    if stem not in FOLD_NAMES or len(folds) < 3 or name not in folds:
        return None
    return "test" if name == folds[-1] else "validation" if name == folds[-2] else "train"


def readable_name(name: str) -> str:
    """Return a file's name with the bytes that are not UTF-8 read as Windows-1252, as old disks and ZIPs have them.

    >>> readable_name("caf\\udce9.png")
    'café.png'
    """
    try:
        name.encode("utf-8")
        return name
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key under which "2" stands before "10"; equal only for equal texts.

    >>> sorted(["p10", "p2", "P1"], key=natural_key)
    ['P1', 'p2', 'p10']
    """
    parts = re.split(r"([0-9]{1,18})", text.casefold())
    return (
        *((1, int(part), "") if part.isdecimal() else (2, 0, part) for part in parts if part),
        (0, 0, text),
    )
