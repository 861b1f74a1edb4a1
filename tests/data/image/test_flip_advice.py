"""Which classes may be mirrored."""

import pytest

from capas.core.i18n import choose_language
from capas.data.image.flip_advice import flip_advice, flip_allowed
from capas.data.sources.samples import FASHION_CLASSES


@pytest.mark.parametrize(
    "names",
    [
        [str(digit) for digit in range(10)], ["0", "1"], ["10", "-5"], ["b", "d"], ["á", "Ñ"],
        ["three", "four"], ["Uno", "dos"], ["left", "right"], ["turn-left ahead", "stop"],
        ["giro_izquierda", "recto"], ["letter A", "x1"], ["señal derecha", "otra"], ["manoDerecha", "nada"],
        ["dígito 3", "otro"], ["cat", "clockwise spin"],
    ],
)  # fmt: skip
def test_signs_and_sides_are_not_mirrored(names: list[str]) -> None:
    assert not flip_allowed(names)


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "dog"], ["gato", "perro"], list(FASHION_CLASSES), ["bright", "copyright"],
        ["orchid 12", "rose"], ["one-eyed cat", "cat"], ["circle", "square", "triangle"],
        ["uno de mayo", "otro"], ["猫咪", "小狗"],
    ],
)  # fmt: skip
def test_things_are_mirrored(names: list[str]) -> None:
    assert flip_allowed(names)


def test_the_reason_names_the_class_in_both_languages() -> None:
    try:
        for language, word in (("en", "mirrored"), ("es", "reflejan")):
            choose_language(language)
            advice = flip_advice(["recto", "giro izquierda"])
            assert not advice.allowed
            assert "giro izquierda" in advice.reason and word in advice.reason
            assert flip_advice(["gato"]).reason
    finally:
        choose_language(None)
