"""What answers a query, with which probability: by hand, and against what the model itself says."""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from capas.search.folds import folded
from capas.search.hits import Hits, Within, search
from capas.search.keyword import keyword, normalised, probability
from capas.search.query import Term, parse
from capas.search.sqlite import SqliteSpots
from capas.search.store import Origin, Spot, from_byte, to_byte
from capas.search.vocabulary import meant, within
from tests.search.lines import written

# Page, line, word, probability, start: every letter is 10 wide.
PAGES = [
    ("1r", 0, "el", 0.9, 0), ("1r", 0, "rey", 0.8, 25), ("1r", 0, "rei", 0.15, 25), ("1r", 0, "de", 0.7, 60),
    ("1r", 0, "rey", 0.5, 200), ("1r", 1, "reino", 0.6, 0), ("1v", 0, "rey", 0.3, 0), ("1v", 0, "reino", 0.4, 0),
    ("1v", 3, "cabeza", 0.9, 0), ("1v", 4, "Caveça", 0.8, 0), ("2r", 0, "de", 0.9, 0), ("2r", 0, "rey", 0.9, 300),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteSpots]:
    with SqliteSpots(tmp_path / "spots.sqlite", Origin(least=0.01, temperature=1.0, model="m")) as store:
        spots = [
            Spot(word=word, probability=p, page=page, line=line, start=x, end=x + 10 * len(word))
            for page, line, word, p, x in PAGES
        ]
        store.add(["1r", "1v", "2r"], spots)
        yield store


def q(p: float) -> float:
    """A probability as it is kept."""
    return from_byte(to_byte(p))


def ask(
    store: SqliteSpots, text: str, within: Within = "line", folds: bool = False
) -> dict[tuple[str, int | None], float]:
    found = search(store, parse(text), within=within, folds=folds)
    return {(hit.page, hit.line): hit.probability for hit in found.shown}


def test_two_places_of_a_word_combine_and_readings_of_one_place_add_up(store: SqliteSpots) -> None:
    assert ask(store, "rey") == pytest.approx(
        {("1r", 0): 1 - (1 - q(0.8)) * (1 - q(0.5)), ("1v", 0): q(0.3), ("2r", 0): q(0.9)}
    )
    assert ask(store, "rey OR rei")["1r", 0] == pytest.approx(1 - (1 - q(0.8) - q(0.15)) * (1 - q(0.5)))
    assert ask(store, "rey", folds=True)["1r", 0] == ask(store, "rey OR rei")["1r", 0]
    assert ask(store, "cabeza", "page", folds=True)["1v", None] == pytest.approx(1 - (1 - q(0.9)) * (1 - q(0.8)))
    assert ask(store, "rey OR reino")["1v", 0] == pytest.approx(q(0.3) + q(0.4))


def test_and_not_and_or_over_lines_and_pages(store: SqliteSpots) -> None:
    rey = 1 - (1 - q(0.8)) * (1 - q(0.5))
    assert ask(store, "el de") == pytest.approx({("1r", 0): q(0.9) * q(0.7)})
    assert ask(store, "rey reino", "page")["1r", None] == pytest.approx(rey * q(0.6))
    assert ("1r", 0) not in ask(store, "rey reino")
    assert ask(store, "rey NOT reino", "page") == pytest.approx(
        {("1r", None): rey * (1 - q(0.6)), ("1v", None): q(0.3) * (1 - q(0.4)), ("2r", None): q(0.9)}
    )
    assert ask(store, "(el de) OR reino", "page")["1r", None] == pytest.approx(1 - (1 - q(0.9) * q(0.7)) * (1 - q(0.6)))
    assert ask(store, "(el rey) OR (cabeza de)", "page").keys() == {("1r", None)}
    assert ask(store, "absent") == ask(store, "absent rey") == ask(store, '"absent rey"') == {}


def test_a_phrase_is_words_that_follow_one_another_closely(store: SqliteSpots) -> None:
    assert ask(store, '"el rey de"') == pytest.approx({("1r", 0): q(0.9) * q(0.8) * q(0.7)})
    assert ask(store, '"el de"') == ask(store, '"rey el"') == {}
    assert ("2r", 0) not in ask(store, '"de rey"')
    assert ask(store, '"el re?"') == pytest.approx({("1r", 0): q(0.9) * (q(0.8) + q(0.15))})
    (hit,) = search(store, parse('"rey de"'), folds=False).shown
    assert [(spot.word, spot.start) for spot in hit.spots] == [("rey", 25), ("de", 60)]


def test_hits_come_page_by_page_the_most_probable_first(store: SqliteSpots) -> None:
    whole = search(store, parse("r* OR cabeza OR de"))
    assert list(whole.probabilities) == sorted(whole.probabilities, reverse=True)
    assert [hit.probability for hit in whole.shown] == list(whole.probabilities)
    parts: list[Hits] = [search(store, parse("r* OR cabeza OR de"), offset=n, limit=2) for n in range(0, 8, 2)]
    assert reduce(lambda shown, part: shown + part.shown, parts, ()) == whole.shown
    sure = search(store, parse("r* OR cabeza OR de"), least=0.8)
    assert 0 < len(sure.shown) < len(whole.shown) and min(sure.probabilities) >= 0.8


@pytest.mark.parametrize(
    ("text", "folds", "words"),
    [
        ("cabeza", True, {"cabeza", "Caveça"}),
        ("CABEÇA", True, {"cabeza", "Caveça"}),
        ("cabeza", False, {"cabeza"}),
        ("caveça", False, set()),
        ("re*", False, {"rey", "rei", "reino"}),
        ("r?y", True, {"rey", "rei"}),
        ("*o", False, {"reino"}),
        ("c?b*", True, {"cabeza", "Caveça"}),
        ("r.y", False, set()),
        ("r.*", False, set()),
        ("reyno~1", False, {"reino"}),
        ("ray~2", False, {"rey", "rei"}),
        ("cavesas~1", True, {"cabeza", "Caveça"}),
    ],
)
def test_the_words_that_a_term_means(store: SqliteSpots, text: str, folds: bool, words: set[str]) -> None:
    (term,) = [parse(text)]
    assert isinstance(term, Term) and set(meant(store, term, folds=folds)) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [("vbo", "ubo"), ("ubo", "vvo"), ("coraçón", "corazon"), ("yglesia", "iglesia"), ("ſeñor", "Señor"),
     ("rreynos", "rreinos"),
     ("ÁVILA", "abila"), ("hijo", "hiio"), ("casa", "caza"), ("nin\u0303o", "niño"), ("c\u0327ibdad", "zibdad")],
)  # fmt: skip
def test_historical_spellings_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("año", "ano"), ("casa", "cosa"), ("rey", "rrey"), ("hubo", "ubo"), ("ce", "ze")]
)
def test_other_differences_stay(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        corner, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))
    return row[-1]


def test_edit_distance_is_levenshteins() -> None:
    chance = np.random.default_rng(0)
    for _ in range(2000):
        a, b = ("".join(chance.choice(list("abc"), chance.integers(0, 7))) for _ in range(2))
        for edits in range(4):
            assert within(a, b, edits) == (distance(a, b) <= edits), (a, b, edits)


def test_the_product_is_near_the_exact_probability_of_two_neighbours_and_the_least_is_not() -> None:
    """What the combination of a phrase rests on: the automaton of both words against those of each."""
    ratios = []
    for seed in range(12):
        letters = np.random.default_rng(seed).integers(2, 40, 14).tolist()
        first, second = [{one} for one in letters[:5]], [{one} for one in letters[5:10]]
        text = [*letters[10:], 1, *letters[:5], 1, *letters[5:10], 1, *letters[10:]]
        line = normalised(written(text, size=40, seed=seed, sure=7.0))
        a, b = (probability(line, keyword(word, {1})) for word in (first, second))
        exact = probability(line, keyword([*first, {1}, *second], {1}))
        ratios.append((np.log(a * b / exact), np.log(min(a, b) / exact)))
    product, least = np.mean(ratios, axis=0)
    assert abs(product) < 0.2 and least > 1
