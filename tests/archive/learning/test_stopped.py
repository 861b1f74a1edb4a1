"""Ctrl-C while an archive's reader learns: what is said names what was being done."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import typer

from capas.cli.archive import learn_verb as verb
from capas.core.i18n import choose_language


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
