"""Every word on screen is in both catalogues, with its placeholders; no word is there for nothing."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import jinja2
import pytest
from jinja2 import nodes

import capas
from capas.archive.web.search_page import SCRIPT_WORDS
from capas.cli.board_verbs import COLUMNS
from capas.core.errors import CapasError
from capas.core.i18n import LANGUAGES, catalogue, choose_language, language, say
from capas.core.spec import Medium
from capas.data.tabular.column_types import ColumnKind
from capas.engine.recipes.generation.prompts import PromptEncoderName
from capas.engine.recipes.single_output.tabular import defaults as tabular_defaults
from capas.engine.recipes.single_output.text import defaults as text_defaults
from capas.page_formats.page import BaselineFault
from capas.representation.index.closeness import Closeness
from capas.representation.map.methods import METHODS
from capas.representation.map.page import PAGE_WORDS
from capas.representation.verify import Words
from capas.trust.attacks.sanity_checks import SanityCheckFailure
from capas.trust.explanations.attention_maps import ATTENTION_METHODS
from capas.trust.theme import THEMES, Status
from capas.trust.theme_context import Level
from capas.trust.themes.stickers import PATCH_FILLINGS

SOURCES = sorted(Path(capas.__file__).parent.rglob("*.py"))
TEMPLATES = sorted(Path(capas.__file__).parent.rglob("*.html"))
PARTS = ("what", "expected", "next")


def names_in(area: str) -> tuple[str, ...]:
    """The names in an area of which any may be missing: then a thing is called by its own name."""
    return tuple(key.removeprefix(f"{area}.") for key in catalogue("en") if key.startswith(f"{area}."))


KINDS_OF_PARTS = ("typos", "nudges", "loudness")
WAYS_OF_PARTS = tuple(f"{kind}_ways.{way}" for kind in KINDS_OF_PARTS for way in ("noise", "chosen"))
MAPS = ("integrated_gradients", "occlusion", "gradient", "grad_cam", "brightness", "random", "leave_one_out",
        *ATTENTION_METHODS)  # fmt: skip
PLACES = tuple(f"{row}_{side}" for row in ("top", "middle", "bottom") for side in ("left", "middle", "right"))


# Keys that the sources put together: the pattern as it stands there, and what may take the place of {}.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "cli.{}_option": ("help", "install_completion", "show_completion"),
    "archive.columns.{}": ("unit", "pages", "page", "line", "probability", "word", "text"),
    "archive.expected_{}": ("exact", "spots", "best"),
    "archive.learn.{}": ("truth", "before", "after", "better", "worse", "same"),
    "archive.reasons.{}": ("gone", "shut", "empty", "locked", "unknown", "cut"),
    "archive.serve.{}": SCRIPT_WORDS,
    "archive.stopped.{}": ("adding_pages", "reading_pages", "indexing_pages", "exporting_pages", "gathering_lines"),
    "attributes.{}": names_in("attributes"),
    "baselines.{}": names_in("baselines"),
    "board.columns.{}": COLUMNS,
    "card.always_answers.{}": ("class", "other"),
    "card.consent.{}": ("image", "audio"),
    "card.same_source.{}": get_args(Medium),
    "card.summary_{}": (
        "classify",
        "tag",
        "label",
        "regress",
        "transform",
        "transcribe",
        "translate",
        "embed",
        "verify",
        "generate",
    ),
    "check.{}": ("versions", "processor", "devices", "bfloat16", "writable", "free"),
    "columns.{}": get_args(ColumnKind),
    "detect.{}": ("target_last", "target_tags", "target_few"),
    "detect.{}_column": ("image", "audio", "text"),
    "errors.{}_line": ("where", "expected", "next"),
    "figures.{}": names_in("figures"),
    "look.column_{}": ("class", "examples", "train", "validation", "test"),
    "map.methods.{}": METHODS,
    "map.words.{}": PAGE_WORDS,
    "media.{}": get_args(Medium),
    "vectors.media.{}": get_args(Medium),
    "networks.{}": ("name", "parameters", "pixels", "year", "what"),
    "method.stage_{}": ("teacher", "answers", "student"),
    "pages.{}": get_args(BaselineFault),
    "progress.{}": (
        "generate",
        "index",
        "cells",
        "rebuild",
        "neighbours",
        "groups",
        "embed",
        "map",
        "map_quality",
        "map_thumbnails",
        "look",
        "prepare",
        "train",
        "test",
        "cross_validation",
        "answer",
        "trust",
        "adding_pages",
        "reading_pages",
        "exporting_pages",
        "gathering_lines",
        "indexing_pages",
    ),
    "similar.columns.{}": ("rank", "group", "similarity", "name", "path", "missing"),
    "similar.words.{}": get_args(Closeness),
    "index.{}": ("added", "replaced", "unchanged"),
    "samples.{}": ("name", "count", "classes", "licence", "what"),
    "generation.captions_{}": get_args(PromptEncoderName),
    "settle.{}": (*text_defaults.NAMES, *tabular_defaults.NAMES),
    "splits.{}": ("train", "validation", "test"),
    "tasks.{}": (
        "classify",
        "tag",
        "label",
        "regress",
        "transform",
        "transcribe",
        "translate",
        "embed",
        "verify",
        "generate",
    ),
    "same.words.{}": get_args(Words),
    "same.{}": ("false_match", "false_non_match"),
    "trust.pairs.{}": ("group", "false_match", "false_non_match", "impostor", "genuine", "identities"),
    "test.{}": ("class", "recall", "precision", "n"),
    "train.next_{}": ("predict", "same", "embed", "generate", "test", "edit", "export"),
    "train.place_{}": ("model", "predictions", "everything"),
    "trust.asks.{}": THEMES,
    "trust.attacks.{}": ("before", "after", *KINDS_OF_PARTS, *WAYS_OF_PARTS),
    "trust.attacks.failures.{}": tuple(
        one.value for one in SanityCheckFailure if one is not SanityCheckFailure.SATURATED
    ),
    "trust.attacks.ways.{}": ("noise", "fgsm", "pgd", "strong"),
    "trust.attacks.{}_about": KINDS_OF_PARTS,
    "trust.attacks.{}_fragile": KINDS_OF_PARTS,
    "trust.calibration.intervals.{}": ("what", "level", "covered", "width"),
    "trust.calibration.sets.{}": ("level", "covered", "size", "single"),
    "trust.groups.right.{}": ("class", "number"),
    "trust.labels.{}": ("example", "given", "likely"),
    "trust.leakage.in_{}": ("test", "train"),
    "trust.leakage.marks.{}": ("colour", "grain"),
    "trust.levels.{}": get_args(Level),
    "trust.next.{}": names_in("trust.next"),
    "trust.nouns.{}": get_args(Medium),
    "trust.plots.pairs_{}": ("true", "taken", "count", "share"),
    "trust.plots.worst_{}": ("example", "class", "called", "probability", "value", "estimate"),
    "trust.status.{}": get_args(Status),
    "trust.stickers.fillings.{}": PATCH_FILLINGS,
    "trust.stickers.places.{}": ("centre", "corner", "glasses", "sign"),
    "trust.themes.{}": THEMES,
    "trust.unlike.measures.{}": names_in("trust.unlike.measures"),
    "trust.unlike.probes.{}": names_in("trust.unlike.probes"),
    "trust.unlike.scores.{}": ("nearest", "nearest_wide", "energy", "reconstruction", "ranges"),
    "trust.why.{}": ("checked", "unchecked", "fooled", "withstood"),
    "trust.zones.heads.{}": ("method", "deletion", "insertion", "alike", "advantage", "use"),
    "trust.zones.methods.{}": MAPS,
    "trust.zones.where.{}": PLACES,
}
# What a Problem says is looked up by its kind; these kinds are put together.
PROBLEM_SAYS = "problems.{}.advice"
COMPOSED_KINDS: Mapping[str, tuple[str, ...]] = {
    "class_not_in_{}": ("train", "test"),
    "empty_{}": ("train", "validation", "test"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call of ``say`` or ``CapasError``: its first argument (a pattern where it is an f-string), and its keywords."""

    where: str
    function: str
    key: str
    is_pattern: bool
    keywords: frozenset[str]
    open_ended: bool


def calls() -> Iterator[Call]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and bool(node.args)
            if named and node.func.id in ("say", "CapasError"):
                yield from _call(node, node.func.id, f"{path.name}:{node.lineno}")
    for path in TEMPLATES:
        for called in jinja2.Environment().parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(called.node, nodes.Name) and called.node.name == "say":
                keywords = frozenset(keyword.key for keyword in called.kwargs)
                key = _template_text(called.args[0])
                yield Call(where=f"{path.name}:{called.lineno}", function="say", key=key, is_pattern="{}" in key,
                           keywords=keywords, open_ended=False)  # fmt: skip


def _template_text(node: nodes.Node) -> str:
    """A string constant of a template; what is joined with "~" as a pattern."""
    if isinstance(node, nodes.Const):
        return str(node.value)
    assert isinstance(node, nodes.Concat), "say is called with a key that no test can read"
    return "".join(str(part.value) if isinstance(part, nodes.Const) else "{}" for part in node.nodes)


def _call(node: ast.Call, function: str, where: str) -> Iterator[Call]:
    first, named = node.args[0], frozenset(keyword.arg or "" for keyword in node.keywords)
    if isinstance(first, ast.Constant | ast.JoinedStr):
        is_pattern, open_ended = isinstance(first, ast.JoinedStr), "" in named
        yield Call(
            where=where, function=function, key=_text(first), is_pattern=is_pattern, keywords=named,
            open_ended=open_ended,
        )  # fmt: skip


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    """A string constant; an f-string as a pattern."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def strings() -> set[str]:
    """Every string constant and pattern of the sources, and what the templates say."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES)
    said = {call.key for call in CALLS}
    return said | {
        _text(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)
    }


def expanded(families: Mapping[str, tuple[str, ...]]) -> set[str]:
    return {pattern.format(value) for pattern, values in families.items() for value in values}


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)", text))


CALLS = list(calls())


def test_the_walk_sees_the_sources() -> None:
    assert len(CALLS) > 200 and {call.function for call in CALLS} == {"say", "CapasError"}


@pytest.mark.parametrize("tongue", LANGUAGES)
def test_what_the_sources_say_is_in_the_catalogue_and_gets_its_values(tongue: str) -> None:
    recipe, wrong = catalogue(tongue), []
    for call in CALLS:
        if call.is_pattern:
            continue
        keys = [call.key] if call.function == "say" else [f"errors.{call.key}.{part}" for part in PARTS]
        given = call.keywords | ({"where", "received"} if call.function == "CapasError" else set())
        for key in keys:
            if key not in recipe:
                wrong.append(f"{call.where}: no {key}")
            elif not call.open_ended and (missing := placeholders(recipe[key]) - given):
                wrong.append(f"{call.where}: {key} lacks {missing}")
    assert not wrong


def test_composed_keys_are_those_listed_here() -> None:
    patterns = {call.key for call in CALLS if call.is_pattern and call.function == "say"}
    assert patterns == {*FAMILIES, PROBLEM_SAYS} and COMPOSED_KINDS.keys() <= strings()
    for tongue in LANGUAGES:
        assert expanded(FAMILIES) <= catalogue(tongue).keys()
        assert {PROBLEM_SAYS.format(kind) for kind in expanded(COMPOSED_KINDS)} <= catalogue(tongue).keys()


def test_the_languages_have_the_same_keys_and_placeholders() -> None:
    english = catalogue("en")
    for tongue in LANGUAGES:
        recipe = catalogue(tongue)
        assert recipe.keys() == english.keys()
        assert {key: placeholders(text) for key, text in recipe.items()} == {
            key: placeholders(text) for key, text in english.items()
        }


def test_no_text_is_unused() -> None:
    named = strings() | expanded(FAMILIES) | expanded(COMPOSED_KINDS)

    def used(key: str) -> bool:
        area, _, rest = key.partition(".")
        return key in named or (area in ("errors", "problems") and rest.rpartition(".")[0] in named)

    assert [key for key in catalogue("en") if not used(key)] == []


def test_no_text_is_written_twice() -> None:
    for tongue in LANGUAGES:
        folder = Path(capas.__file__).parent / "core" / "i18n" / tongue
        lines = [line for path in folder.glob("*.toml") for line in path.read_text(encoding="utf-8").split("\n")]
        tables = [line for line in lines if line.startswith(("[errors.", "[problems."))]
        assert len(tables) > 50 and len(tables) == len(set(tables)), tongue


def test_errors_have_all_three_parts() -> None:
    kinds = {key.split(".")[1] for key in catalogue("en") if key.startswith("errors.") and key.count(".") == 2}
    assert len(kinds) > 50
    assert all(f"errors.{kind}.{part}" in catalogue("en") for kind in kinds for part in PARTS)


def test_texts_are_clean() -> None:
    for tongue in LANGUAGES:
        for key, text in catalogue(tongue).items():
            assert text == text.rstrip(), (tongue, key)
            text.format(**dict.fromkeys(placeholders(text), "x"))  # every brace belongs to a placeholder
    assert not [key for key, text in catalogue("es").items() if "“" in text or "”" in text], "«comillas» in Spanish"


@pytest.mark.parametrize(
    ("chosen", "environment", "expected"),
    [
        (None, {}, "en"),
        (None, {"LANG": "es_ES.UTF-8"}, "es"),
        (None, {"LANG": "es_ES.UTF-8", "LC_ALL": "C"}, "en"),
        (None, {"LANG": "en_GB", "LC_MESSAGES": "es_MX"}, "es"),
        (None, {"LANG": "en_GB", "CAPAS_LANG": "ES"}, "es"),
        ("en", {"CAPAS_LANG": "es"}, "en"),
        (None, {"CAPAS_LANG": "", "LANG": "es"}, "es"),
    ],
)
def test_the_language_is_the_option_else_the_variable_else_the_locale(
    chosen: str | None, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CAPAS_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    choose_language(chosen)
    assert language() == expected


def test_an_unknown_language_or_key_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="en, es"):
        choose_language("fr")
    with pytest.raises(KeyError):
        say("look.no_such_text")


def test_an_error_says_what_where_expected_and_next_in_the_language_in_force() -> None:
    error = CapasError("device_unknown", where="execution.device", received="tpu", available="auto, cpu")
    assert str(error).split("\n") == [
        "There is no device called “tpu” here",
        "  where: execution.device",
        "  expected: one of: auto, cpu",
        "  next: Leave it at auto and Capas chooses the fastest",
    ]
    assert set(error.as_json()) == {"error", "what", "where", "received", "expected", "next"}
    choose_language("es")
    assert "«tpu»" in error.as_json()["what"] and "«tpu»" in str(error)


def test_an_error_keeps_braces_and_percent_signs_of_what_it_received() -> None:
    error = CapasError("plan_setting", where="{x}", received="{0} 100% {received}")
    assert "“{0} 100% {received}” is not a setting" in str(error) and "where: {x}" in str(error)
