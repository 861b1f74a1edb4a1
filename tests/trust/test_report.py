"""The report says what is wrong with a model, in its verdict, and nothing that was not computed.

The faults are made: a model that has not learnt, one that answers a constant, one that has seen its test, one that
looks at a mark in the corner. Small pictures, seconds of training.
"""

import html.parser
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save

import capas
from capas.bundle.card import seal_of
from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.i18n import choose_language
from capas.trust.ood import autoencoder
from capas.trust.report import TrustReport, make_report, read_report
from capas.trust.subjects.open_run import open_run
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import THEMES, Status
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks import attacks_theme
from tests.engine.made_problems import brightness_table, rows_table, sound_folders, texts_table
from tests.harness import train_here
from tests.trust.bars import SMALL, made_pictures


def keys(report: TrustReport) -> set[str]:
    findings = report.tree["findings"]
    assert isinstance(findings, list)
    return {finding["key"] for finding in findings}


def theme(report: TrustReport, name: str) -> Mapping[str, object]:
    themes = report.tree["themes"]
    assert isinstance(themes, dict)
    found: Mapping[str, object] = themes[name]
    return found


class Reader(html.parser.HTMLParser):
    """Collects tags, and checks that what is opened is closed."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag


def test_all_nine_themes_have_a_status_and_say_why_they_were_not_computed(bars_report: TrustReport) -> None:
    tree = json.loads((bars_report.folder / "report.json").read_text(encoding="utf-8"))
    assert list(tree["themes"]) == list(THEMES) and tree["format"] == "capas-report"
    for one in tree["themes"].values():
        assert one["status"] in get_args(Status)
        assert (one["status"] == "not_computed") == bool(one["not_computed_because"])
        assert one["facts"] or one["not_computed_because"]
    computed = [name for name, one in tree["themes"].items() if one["status"] != "not_computed"]
    assert set(computed) >= {"quality", "ood", "explanations", "attacks", "stickers", "groups", "labels", "leakage"}


def test_every_rate_has_a_count_and_an_interval_around_it(bars_report: TrustReport) -> None:
    def rates(tree: object) -> list[Mapping[str, object]]:
        if isinstance(tree, Mapping):
            own = [tree] if "value" in tree else []
            return own + [found for part in tree.values() for found in rates(part)]
        return [found for part in tree for found in rates(part)] if isinstance(tree, list) else []

    found = rates(bars_report.tree["themes"])
    assert len(found) > 40
    for one in found:
        if "unit" in one and "interval" not in one:
            continue  # a log loss
        low, high = one["interval"]  # type: ignore[misc]
        assert low <= one["value"] <= high and one["n"] >= 0  # type: ignore[operator]


def test_the_page_opens_offline_and_is_whole(bars_report: TrustReport) -> None:
    text = bars_report.page.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    named = [value for _, attributes in reader.tags for key, value in attributes.items() if key in ("src", "href")]
    assert named and all(value is not None and value.startswith(("data:", "#")) for value in named)
    assert "http" not in text.replace("http://www.w3.org", "") and "<script" not in text
    assert all(attributes.get("alt") for tag, attributes in reader.tags if tag == "img")
    anchors = {attributes.get("id") for _, attributes in reader.tags}
    assert {value[1:] for value in named if value is not None and value.startswith("#")} <= anchors
    assert ("html", {"lang": "en"}) in reader.tags


def test_the_report_is_written_in_the_user_s_language(bars_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(bars_run, run)
    choose_language("es")
    report = make_report(str(run), "quick")
    text = report.page.read_text(encoding="utf-8")
    assert 'lang="es"' in text and "Acierta" in str(report.tree["verdict"]) and "¿En qué se fija?" in text
    assert theme(report, "attacks")["status"] == "not_computed"


@pytest.mark.slow
def test_a_second_report_says_the_same(bars_report: TrustReport, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(bars_report.folder.parent, run)
    first, second = (make_report(str(run), "quick") for _ in range(2))
    for name in THEMES:
        assert theme(first, name)["facts"] == theme(second, name)["facts"], name


def with_head(run: Path, copy: Path, change: object) -> Path:
    """A copy of a run whose last layer was changed, its hash with it."""
    shutil.copytree(run, copy)
    path = copy / "bundle" / "model.safetensors"
    tensors = load(path.read_bytes())
    names = [name for name in tensors if tensors[name].ndim == 2]
    assert callable(change)
    change(tensors, names[-1], names[-1].replace("weight", "bias"))
    content = save(tensors, metadata={"format": "pt"})
    path.write_bytes(content)
    card = json.loads((copy / "bundle" / "card.json").read_text())
    card["weights"]["hash"] = content_hash(content)
    card["seal"] = seal_of(card)
    (copy / "bundle" / "card.json").write_text(json.dumps(card))
    return copy


def test_a_constant_answer_is_told(bars_run: Path, tmp_path: Path) -> None:
    def constant(tensors: dict[str, torch.Tensor], weight: str, bias: str) -> None:
        tensors[weight] = torch.zeros_like(tensors[weight])
        tensors[bias] = torch.tensor([5.0, 0.0])

    report = make_report(str(with_head(bars_run, tmp_path / "constant", constant)), "quick")
    assert "constant_answer" in keys(report) and "lying" in str(report.tree["verdict"])
    assert theme(report, "quality")["status"] == "problem"


def test_masked_gradients_forbid_a_verdict_on_attacks(bars_run: Path, tmp_path: Path) -> None:
    def saturated(tensors: dict[str, torch.Tensor], weight: str, bias: str) -> None:
        # So far from zero that float32 rounds every small change of the outputs away.
        tensors[weight] = tensors[weight] * 1e-3
        tensors[bias] = tensors[bias] * 1e-3 + 1e7

    case, model = open_run(str(with_head(bars_run, tmp_path / "masked", saturated)))
    found = attacks_theme(ThemeContext(run_context=case, subject=ModelUnderTest(case, model), level="standard"))
    assert found.status == "problem" and [finding.key for finding in found.findings] == ["attacks_not_valid"]
    assert "gradient" in found.findings[0].text


def test_a_shortcut_in_the_corner_is_told(tmp_path: Path) -> None:
    data = made_pictures(tmp_path / "data", 240, mark=True, content=False)
    run = train_here(data, tmp_path / "run", {**SMALL, "train.epochs": 12})
    report = make_report(str(run), "quick")
    assert "one_place_decides" in keys(report), theme(report, "explanations")["facts"]
    assert "top left" in str(report.tree["verdict"])


@pytest.mark.slow
def test_a_thing_of_its_own_is_no_shortcut(tmp_path: Path) -> None:
    data = made_pictures(tmp_path / "data", 240, mark=False, content=True)
    run = train_here(data, tmp_path / "run", {**SMALL, "train.epochs": 12})
    assert "one_place_decides" not in keys(make_report(str(run), "quick"))


def test_a_test_that_was_seen_is_told(tmp_path: Path) -> None:
    root = tmp_path / "data"
    made_pictures(root, 160, mark=False, content=True, side="train")
    made_pictures(root, 80, mark=False, content=True, seed=1, side="test")
    for number, path in enumerate(sorted((root / "train").rglob("*.png"))[:40]):
        saved_again = root / "test" / path.parent.name / f"again-{number}.jpg"
        Image.open(path).save(saved_again, quality=85)
    run = train_here(root, tmp_path / "run", {**SMALL, "train.epochs": 4})
    report = make_report(str(run), "quick")
    assert "leaked_test" in keys(report)
    facts = theme(report, "leakage")["facts"]
    assert isinstance(facts, dict) and facts["near"] >= 30 and "without_them" in facts


def test_what_has_not_been_learnt_is_told(tmp_path: Path) -> None:
    data = made_pictures(tmp_path / "data", 260, mark=False, content=False)
    run = train_here(data, tmp_path / "run", {**SMALL, "train.epochs": 1})
    report = make_report(str(run), "quick")
    assert {"often_wrong", "not_better_than_baseline"} <= keys(report)
    assert theme(report, "quality")["status"] == "problem"


def test_a_tiny_test_gets_no_verdict(tmp_path: Path) -> None:
    data = made_pictures(tmp_path / "data", 60, mark=True, content=True)
    run = train_here(data, tmp_path / "run", {**SMALL, "train.epochs": 2})
    report = make_report(str(run), "quick")
    assert "too_few_to_judge" in keys(report) and "Too few" in str(report.tree["verdict"])
    assert "often_wrong" not in keys(report) and "constant_answer" not in keys(report)


@pytest.mark.parametrize("kind", ["rows", "texts", "sounds", pytest.param("numbers", marks=pytest.mark.slow)])
def test_other_media_get_the_themes_that_mean_something_there(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "WORK", autoencoder.WORK // 10)
    if kind == "rows":
        data, settings = rows_table(tmp_path / "t.csv", 300), {"data.target": "kind", "train.epochs": 20}
    elif kind == "texts":
        data, settings = (
            texts_table(tmp_path / "t.csv", 260),
            {"data.target": "about", "train.epochs": 10, "network.pretrained": False},
        )
    elif kind == "numbers":
        data = brightness_table(tmp_path / "p", 120)
        settings = {"train.epochs": 4, "network.name": "compact", "data.columns_beside": False}
    else:
        data, settings = sound_folders(tmp_path / "s", 60), {"train.epochs": 3}
    result = capas.train(data, out=tmp_path / "run", settings={**settings, "execution.threads": 1}, report="standard")
    assert result is not None
    tree = read_report(result.run)
    themes = tree["themes"]
    assert isinstance(themes, dict)
    computed = {name for name, one in themes.items() if one["status"] != "not_computed"}
    expected = {
        "rows": {"quality", "ood", "explanations", "attacks", "groups", "labels", "leakage"},
        "texts": {"quality", "explanations", "attacks", "groups", "labels", "leakage"},
        "sounds": {"quality", "explanations", "attacks", "groups", "leakage"},
        "numbers": {"quality", "groups", "leakage"},
    }[kind]
    assert expected <= computed, {name: one["not_computed_because"] for name, one in themes.items()}


def test_an_altered_or_incomplete_run_is_named_and_gets_no_report(finished_run: Path, tmp_path: Path) -> None:
    def broken(name: str, content: bytes | None) -> tuple[str, Path]:
        run = tmp_path / f"broken-{name.replace('/', '-')}-{content is None}"
        shutil.copytree(finished_run, run)
        if content is None:
            (run / name).unlink()
        else:
            (run / name).write_bytes(content)
        with pytest.raises(CapasError) as error:
            make_report(str(run), "quick")
        assert not (run / "report").exists()
        return error.value.key, run

    assert broken("bundle/model.safetensors", b"x" * 100)[0] == "bundle_altered"
    assert broken("metrics.json", None)[0] == "run_unfinished"
    assert broken("metrics.json", b"{")[0] == "run_damaged"
    assert broken("data.json", b"[]")[0] == "run_damaged"
    assert broken("bundle/card.json", b"{}")[0] == "card_unreadable"


def test_a_report_that_is_not_there_or_not_ours_is_an_error(finished_run: Path, tmp_path: Path) -> None:
    from capas.engine.run import Run

    with pytest.raises(CapasError) as error:
        read_report(Run(folder=finished_run))
    assert error.value.key == "no_report"
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.json").write_text('{"format": "other"}')
    with pytest.raises(CapasError) as error:
        read_report(Run(folder=tmp_path))
    assert error.value.key == "report_unreadable"
