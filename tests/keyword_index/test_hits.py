"""What answers a query, with which probability: by hand, and against what the model itself says."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from capas.keyword_index.hits import Granularity, Hits, search_spots
from capas.keyword_index.keyword_automaton import build_keyword_automaton, keyword_probability, normalise_posteriors
from capas.keyword_index.query import Term, parse_query
from capas.keyword_index.query_expansion import expand_term, wildcard_pattern
from capas.keyword_index.spelling_folding import fold_spelling
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, Spot, byte_to_probability, probability_to_byte
from tests.keyword_index import plain_hits
from tests.keyword_index.lines import written

# Page, line, word, probability, start: every letter is 10 wide.
PAGES = [
    ("1r", 0, "el", 0.9, 0), ("1r", 0, "rey", 0.8, 25), ("1r", 0, "rei", 0.15, 25), ("1r", 0, "de", 0.7, 60),
    ("1r", 0, "rey", 0.5, 200), ("1r", 1, "reino", 0.6, 0), ("1v", 0, "rey", 0.3, 0), ("1v", 0, "reino", 0.4, 0),
    ("1v", 3, "cabeza", 0.9, 0), ("1v", 4, "Caveça", 0.8, 0), ("2r", 0, "de", 0.9, 0), ("2r", 0, "rey", 0.9, 300),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteSpots]:
    with SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m")) as store:
        spots = [
            Spot(word=word, probability=p, page=page, line=line, start=x, end=x + 10 * len(word))
            for page, line, word, p, x in PAGES
        ]
        store.add(["1r", "1v", "2r"], spots)
        yield store


def q(p: float) -> float:
    """A probability as it is kept."""
    return byte_to_probability(probability_to_byte(p))


def ask(
    store: SqliteSpots, text: str, within: Granularity = "line", folds: bool = False
) -> dict[tuple[str, int | None], float]:
    found = search_spots(store, parse_query(text), within=within, folds=folds)
    return {(hit.page, hit.line): hit.probability for hit in found.hits}


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


def test_what_is_asked_twice_counts_once(store: SqliteSpots) -> None:
    assert ask(store, "rey OR rey") == ask(store, "rey AND rey") == ask(store, "rey")
    assert ask(store, "re* OR rey OR rei") == ask(store, "re*")
    assert ask(store, '"rey de" OR "re* de"') == ask(store, '"re* de"')


def test_equally_probable_pages_stand_in_their_order(tmp_path: Path) -> None:
    pages = [str(number) for number in range(1, 13)]
    with SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m")) as store:
        store.add(pages, [Spot(word="rey", probability=0.5, page=page, line=0, start=0, end=30) for page in pages])
        assert [hit.page for hit in search_spots(store, parse_query("rey")).hits] == pages
        assert [hit.page for hit in search_spots(store, parse_query("rey"), limit=11, max_spots=11).hits] == pages[:11]


def test_a_phrase_is_words_that_follow_one_another_closely(store: SqliteSpots) -> None:
    assert ask(store, '"el rey de"') == pytest.approx({("1r", 0): q(0.9) * q(0.8) * q(0.7)})
    assert ask(store, '"el de"') == ask(store, '"rey el"') == {}
    assert ("2r", 0) not in ask(store, '"de rey"')
    assert ask(store, '"el re?"') == pytest.approx({("1r", 0): q(0.9) * (q(0.8) + q(0.15))})
    (hit,) = search_spots(store, parse_query('"rey de"'), folds=False).hits
    assert [(spot.word, spot.start) for spot in hit.spots] == [("rey", 25), ("de", 60)]


def test_hits_come_page_by_page_the_most_probable_first(store: SqliteSpots) -> None:
    whole = search_spots(store, parse_query("r* OR cabeza OR de"))
    assert list(whole.counts) == sorted(whole.counts, reverse=True) and whole.counted == "exact"
    assert Counter(hit.probability for hit in whole.hits) == whole.counts and whole.count == len(whole.hits)
    assert whole.by_page == Counter(hit.page for hit in whole.hits)
    parts: list[Hits] = [
        search_spots(store, parse_query("r* OR cabeza OR de"), offset=n, limit=2) for n in range(0, 8, 2)
    ]
    assert reduce(lambda shown, part: shown + part.hits, parts, ()) == whole.hits
    sure = search_spots(store, parse_query("r* OR cabeza OR de"), min_probability=0.8)
    assert 0 < len(sure.hits) < len(whole.hits) and min(sure.counts) >= 0.8


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
        ("cabeç*", True, {"cabeza", "Caveça"}),
        ("cabec*", True, set()),
        ("rrey*", True, {"rey", "rei", "reino"}),
        ("s*", True, set()),
        ("*eça", True, {"cabeza", "Caveça"}),
        ("*rrey", True, set()),
        ("r.*", False, set()),
        ("reyno~1", False, {"reino"}),
        ("ray~2", False, {"rey", "rei"}),
        ("cavesas~1", True, {"cabeza", "Caveça"}),
    ],
)
def test_the_words_that_a_term_means(store: SqliteSpots, text: str, folds: bool, words: set[str]) -> None:
    (term,) = [parse_query(text)]
    assert isinstance(term, Term) and set(expand_term(store, term, folds=folds)) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [("vbo", "ubo"), ("ubo", "vvo"), ("coraçón", "corazon"), ("yglesia", "iglesia"), ("ſeñor", "Señor"),
     ("rreynos", "reinos"), ("honrra", "honra"), ("ciudad", "çiudad"), ("ce", "ze"), ("nascer", "nacer"),
     ("missa", "misa"),
     ("dixo", "dijo"), ("muger", "mujer"), ("Ximénez", "Giménez"), ("Joseph", "josef"), ("thesoro", "tesoro"),
     ("Christóual", "cristobal"), ("qual", "cual"), ("peccado", "pecado"), ("Fol.", "fol."), ("officio", "oficio"),
     ("ÁVILA", "abila"), ("hijo", "hiio"), ("casa", "caza"), ("nin\u0303o", "niño"), ("c\u0327ibdad", "zibdad")],
)  # fmt: skip
def test_historical_spellings_are_one(one: str, other: str) -> None:
    assert fold_spelling(one) == fold_spelling(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("año", "ano"),
        ("casa", "cosa"),
        ("caro", "carro"),
        ("hubo", "ubo"),
        ("ca", "za"),
        ("calle", "cale"),
        ("que", "ce"),
        ("leer", "ler"),
    ],
)
def test_other_differences_stay(one: str, other: str) -> None:
    assert fold_spelling(one) != fold_spelling(other)


FORMS = ("a", "b", "c", "ç", "e", "g", "h", "i", "ñ", "p", "q", "r", "rr", "s", "ss", "u", "x")


def test_what_begins_like_a_pattern_is_found_in_every_spelling_of_what_follows() -> None:
    """A pattern means every word that it matches letter by letter, and all other spellings of these."""
    chance = np.random.default_rng(3)
    for _ in range(3000):
        start, rest = ("".join(chance.choice(FORMS, chance.integers(1, 4))) for _ in range(2))
        if start[-1] + rest[0] in ("ph", "ch", "rh", "rr"):
            continue
        beginning, wanted = wildcard_pattern(f"{start}*", folds=True)
        form = fold_spelling(start + rest)
        assert wanted.fullmatch(form) and form.startswith(beginning), (start, rest)


def test_the_product_is_near_the_exact_probability_of_two_neighbours_and_the_least_is_not() -> None:
    """What the combination of a phrase rests on: the automaton of both words against those of each."""
    ratios = []
    for seed in range(12):
        letters = np.random.default_rng(seed).integers(2, 40, 14).tolist()
        first, second = [{one} for one in letters[:5]], [{one} for one in letters[5:10]]
        text = [*letters[10:], 1, *letters[:5], 1, *letters[5:10], 1, *letters[10:]]
        line = normalise_posteriors(written(text, size=40, seed=seed, sure=7.0))
        a, b = (keyword_probability(line, build_keyword_automaton(word, {1})) for word in (first, second))
        exact = keyword_probability(line, build_keyword_automaton([*first, {1}, *second], {1}))
        ratios.append((np.log(a * b / exact), np.log(min(a, b) / exact)))
    product, least = np.mean(ratios, axis=0)
    assert abs(product) < 0.2 and least > 1


def drawn(pages: int, seed: int) -> list[Spot]:
    """Spots of few words on few lines, so that they meet, overlap and follow one another."""
    chance = np.random.default_rng(seed)
    words = ["de", "la", "rey", "rei", "reino", "casa", "caça"]
    return [
        Spot(word=words[w], probability=p, page=str(page), line=line, start=x, end=x + 10 * len(words[w]))
        for page in range(pages)
        for w, p, line, x in zip(
            np.minimum(chance.geometric(0.3, 40) - 1, 6).tolist(), chance.beta(0.4, 0.6, 40).tolist(),
            chance.integers(0, 6, 40).tolist(), (12 * chance.integers(0, 20, 40)).tolist(), strict=True,
        )
    ]  # fmt: skip


QUERIES = ("de", "rey", "casa OR reino", "re*", "casa~1", "de la", '"de la"', '"la rey de"', "rey NOT casa",
           "(de rey) OR casa", "(de OR reino) la", '"de la" NOT (rey casa)', "absent", "de absent", '"absent de"',
           '"re* de" OR "la casa"', "rey OR re*", '"rey la" OR "re* la" OR la')  # fmt: skip


@pytest.mark.parametrize("within_", ["line", "page"])
@pytest.mark.parametrize("folds", [True, False])
def test_the_answer_is_that_of_the_simple_way(tmp_path: Path, within_: Granularity, folds: bool) -> None:
    spots = drawn(12, 0)
    some = frozenset({"3", "5", "10"})
    with SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m")) as store:
        store.add([str(page) for page in range(12)], spots)
        for text in QUERIES:
            for least in (0.0, 0.4):
                simple = plain_hits.search(
                    store, parse_query(text), within=within_, folds=folds, least=least, limit=10**9
                )
                shown = [replace(hit, spots=()) for hit in simple.shown]
                ours = search_spots(
                    store, parse_query(text), within=within_, folds=folds, min_probability=least, limit=5000, offset=1
                )
                assert [(hit.page, hit.line, hit.probability, hit.spots) for hit in ours.hits] == [
                    (hit.page, hit.line, hit.probability, hit.spots) for hit in simple.shown[1:]
                ], text
                assert ours.counts == Counter(simple.probabilities) and ours.counted == "exact"
                inside = search_spots(
                    store, parse_query(text), within=within_, folds=folds, min_probability=least, limit=5000, pages=some
                )
                assert [(h.page, h.line, h.probability) for h in inside.hits] == [
                    (h.page, h.line, h.probability) for h in shown if h.page in some
                ], text


@pytest.mark.parametrize("pages", [None, frozenset(map(str, range(0, 12, 2)))])
def test_of_very_many_the_best_are_read_and_the_rest_is_counted(tmp_path: Path, pages: frozenset[str] | None) -> None:
    spots = drawn(12, 1)
    with SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m")) as store:
        store.add([str(page) for page in range(12)], spots)
        here = [one for one in spots if pages is None or one.page in pages]
        exact = search_spots(store, parse_query("de OR la"), limit=5000, folds=False, pages=pages)
        assert exact.counted == "exact"
        chances = {(hit.page, hit.line): (hit.probability, hit.spots) for hit in exact.hits}
        query = parse_query("de OR la")
        asked = {"min_probability": 0.3, "folds": False, "pages": pages, "limit": 4, "max_spots": 20}
        parts = [search_spots(store, query, offset=at, **asked) for at in range(0, 80, 4)]
        assert {part.counted for part in parts} == {"spots"}
        likely = [q(one.probability) for one in here if one.word in ("de", "la") and q(one.probability) >= 0.3]
        assert parts[0].counts == Counter(likely) == parts[-1].counts
        assert parts[0].by_page == Counter(
            one.page for one in here if one.word in ("de", "la") and q(one.probability) >= 0.3
        )
        shown = [hit for part in parts for hit in part.hits]
        assert len({(hit.page, hit.line) for hit in shown}) == len(shown)  # no line twice, none left out
        assert {(hit.page, hit.line) for hit in shown} == {
            (one.page, one.line) for one in here if one.word in ("de", "la") and q(one.probability) >= 0.3
        }
        assert all((hit.probability, hit.spots) == chances[hit.page, hit.line] for hit in shown)
        assert (
            search_spots(store, parse_query("de OR la"), folds=False, pages=pages, limit=21, max_spots=20).counted
            == "exact"
        )


def test_words_that_stand_together_are_sought_at_the_best_places_of_the_rarest(tmp_path: Path) -> None:
    with SqliteSpots(tmp_path / "spots.sqlite", IndexOrigin(least=0.01, temperature=1.0, model="m")) as store:
        store.add([str(page) for page in range(12)], drawn(12, 2))
        for text in ('"de la"', "la de"):
            exact = search_spots(store, parse_query(text), folds=False, limit=5000)
            some = search_spots(store, parse_query(text), folds=False, limit=20, max_spots=60)
            assert (exact.counted, some.counted) == ("exact", "best") and 0 < some.count < exact.count
            lines = {(hit.page, hit.line) for hit in exact.hits}
            assert {(hit.page, hit.line) for hit in some.hits} <= lines
