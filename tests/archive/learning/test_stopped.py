"""Ctrl-C while an archive's reader learns: what is said names what was being done."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import typer

from capas.archive.learning.reader_training import TrainingLines
from capas.cli.archive import learn_verb as verb
from capas.core.i18n import choose_language
from capas.engine.train import TrainingResult


def test_before_training_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    choose_language("en")
    monkeypatch.setattr(verb, "Library", SimpleNamespace(open=lambda folder: None))
    monkeypatch.setattr(verb, "read_index_provenance", lambda library: SimpleNamespace(reader="a"))
    monkeypatch.setattr(verb, "LineReader", SimpleNamespace(open=lambda where: None))
    monkeypatch.setattr(verb, "only_writer", lambda folder: nullcontext())
    monkeypatch.setattr(verb, "write_training_lines", pressed)
    with pytest.raises(typer.Exit) as ended:
        verb.learn(tmp_path, "1s", None, None, False)
    assert ended.value.exit_code == verb.STOPPED and "before learning began" in capsys.readouterr().err


@pytest.mark.parametrize("begun", [True, False])
def test_a_run_that_was_begun_goes_on_and_no_other_is_trained(
    begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def trained(name: str) -> object:
        return lambda *arguments, **named: called.append(name) or object.__new__(TrainingResult)

    model = SimpleNamespace(card=SimpleNamespace(network=SimpleNamespace(settings={"width": 8})))
    rules = SimpleNamespace(name=verb.KEPT)
    monkeypatch.setattr(verb, "LineReader", SimpleNamespace(open=lambda where: SimpleNamespace(rules=rules, height=8)))
    monkeypatch.setattr(verb, "load_model", lambda where: model)
    monkeypatch.setattr(verb, "config_for_data", lambda data, changes: None)
    monkeypatch.setattr(verb, "watching", lambda quiet: nullcontext(SimpleNamespace(watch=None)))
    monkeypatch.setattr(verb, "train_run", trained("train"))
    monkeypatch.setattr(verb, "resume_run", trained("resume"))
    if begun:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "config.toml").write_text("")
    lesson = object.__new__(TrainingLines)
    object.__setattr__(lesson, "folder", tmp_path)
    verb._trained(lesson, "a", "1s", None, str(tmp_path / "run"), True)
    assert called == ["resume" if begun else "train"]
