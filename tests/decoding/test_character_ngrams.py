"""N-grams of characters: probabilities as nltk has them, summing to one, kept and read back."""

import json
import math
from itertools import product

import pytest

from capas.decoding.character_ngrams import LINE_END, MAX_ORDER, CharacterNgrams
from capas.decoding.ctc import BLANK
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "ngrams" / "nltk.json").read_text(encoding="utf-8"))
LINES = ["la sale", "a sa barbe", "", "aaba", "la"]
ALPHABET = " abelrs"


def learnt(order: int) -> CharacterNgrams:
    return CharacterNgrams.fit(LINES, ALPHABET, order)


def test_probabilities_are_those_of_nltk() -> None:
    model = CharacterNgrams.fit(RECORDED["lines"], RECORDED["alphabet"], RECORDED["order"])
    for before, character, expected in RECORDED["probabilities"]:
        assert model.probability(before, character) == pytest.approx(expected, rel=1e-12), (before, character)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_after_everything_the_probabilities_add_up_to_one(order: int) -> None:
    model = learnt(order)
    contexts = [
        *("".join(one) for n in (0, 1, 2, 3) for one in product(ALPHABET, repeat=n)),
        LINE_END,
        f"{LINE_END}la sa",
        "zzz",
    ]
    for before in contexts:
        chances = [model.probability(before, character) for character in ALPHABET + LINE_END]
        assert sum(chances) == pytest.approx(1) and min(chances) > 0, before


def test_a_language_model_of_whole_lines_adds_up_to_one() -> None:
    """Over all lines of two letters up to a length, with what is left for longer ones."""
    model = CharacterNgrams.fit(["ab", "abb", ""], "ab", 3)

    def mass(prefix: tuple[int, ...], left: int) -> float:
        ended = math.exp(model(prefix, BLANK))
        longer = sum(math.exp(model(prefix, label)) * (mass((*prefix, label), left - 1) if left else 1)
                     for label in (1, 2))  # fmt: skip
        return ended + longer

    assert mass((), 6) == pytest.approx(1)


def test_the_beginning_of_a_line_counts() -> None:
    """ "l" begins two lines of five and stands elsewhere once; "e" never begins one."""
    model = learnt(4)
    begins = {c: math.exp(model((), label)) for label, c in enumerate(ALPHABET, 1)}
    assert begins["l"] > 2 * begins["e"] and begins["l"] > math.exp(model((3, 2), ALPHABET.index("l") + 1))
    assert model((), BLANK) > model((2,), ALPHABET.index("e") + 1)  # one line of five is empty
    far = tuple(ALPHABET.index(c) + 1 for c in "a sa barbe")
    assert model(far, BLANK) == model(far[-3:], BLANK) == math.log(model.probability("rbe", LINE_END))


def test_other_characters_are_left_out() -> None:
    assert CharacterNgrams.fit(["l,a·"], "la", 3).windows == CharacterNgrams.fit(["la"], "la", 3).windows


def test_what_is_kept_reads_back_the_same() -> None:
    for order in (1, 3, 6):
        model = learnt(order)
        again = CharacterNgrams.from_json(json.loads(json.dumps(model.as_json())), ALPHABET)
        assert again.windows == model.windows and again.order == order
        assert again.probability(f"{LINE_END}la", " ") == model.probability(f"{LINE_END}la", " ")


@pytest.mark.parametrize(
    "tree",
    [
        {}, {"order": "3", "windows": {}}, {"order": 0, "windows": {}}, {"order": MAX_ORDER + 1, "windows": {}},
        {"order": 3, "windows": {"1": "abab"}}, {"order": 2, "windows": {"1": "xy"}},
        {"order": 2, "windows": {"0": "ab"}}, {"order": 2, "windows": {"many": "ab"}},
    ],
)  # fmt: skip
def test_anything_else_is_refused(tree: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        CharacterNgrams.from_json(tree, "ab")


def test_joined_they_are_those_of_all_lines() -> None:
    first, second = ["abab", "abba"], ["bbab", "a"]
    joined = CharacterNgrams.fit(first, "abc", 3).merged_with(CharacterNgrams.fit(second, "ab", 3))
    assert joined.as_json() == CharacterNgrams.fit(first + second, "abc", 3).as_json()
    with pytest.raises(ValueError, match="windows"):
        joined.merged_with(CharacterNgrams.fit(second, "ab", 2))
