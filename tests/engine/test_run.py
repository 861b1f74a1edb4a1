"""A folder in which a run had only begun is as good as empty; any other is left alone."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.core.files import LOCK
from capas.engine.run import new_run

BEGUN = [
    LOCK,
    "data.json",
    "decision.json",
    "env.json",
    ".config.toml.k2j3",
    "teacher/data.json",
    "teacher/.env.json.x",
]


def laid_out(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


@pytest.mark.parametrize("count", range(1, len(BEGUN) + 1))
def test_wherever_the_beginning_was_killed_another_run_can_begin(tmp_path: Path, count: int) -> None:
    folder = laid_out(tmp_path / "run", BEGUN[:count])
    assert new_run(folder, "x").folder == folder
    assert [path.name for path in folder.iterdir()] == [LOCK]


@pytest.mark.parametrize("name", ["config.toml", "notes.txt", "teacher/mine", "data/1.png", "cache/x"])
def test_what_is_more_than_a_beginning_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    folder = laid_out(tmp_path / "run", [*BEGUN, name])
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    with pytest.raises(CapasError) as caught:
        new_run(folder, "x")
    assert caught.value.key == "run_exists"
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
