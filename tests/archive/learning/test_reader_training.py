"""What people corrected is learnt from, apart from some lines that say what was gained."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from capas.archive.learning.reader_training import (
    TrainingLines,
    compare_readers,
    mark_as_learnt,
    write_training_lines,
)
from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import read_index_provenance, write_index_provenance
from capas.archive.reading.pages import LocalReader, read_pages
from capas.archive.review import record_correction
from capas.bundle.write import add_file
from capas.core.errors import CapasError
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.page_formats.normalise import NormalisationRules
from tests.archive.bars import SETTINGS, library_of, reader_run, texts
from tests.harness import capas_here

PAGES, LINES = 12, 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reader_run(tmp_path_factory.mktemp("reader"))


@pytest.fixture
def corrected(run: Path, tmp_path: Path) -> Library:
    """An archive that was read, with every line corrected."""
    reader = LineReader.open(run)
    library = library_of(tmp_path, reader, where=str(run), pages=PAGES, lines=LINES)
    making = read_index_provenance(library)
    read_pages(
        library,
        LocalReader(reader=reader, finder=lambda picture: (), min_probability=making.min_probability),
        making.origin,
    )
    correct_pages(library, range(1, PAGES + 1))
    return library


def correct_pages(library: Library, pages: range) -> None:
    for page in pages:
        for number, text in enumerate(texts(LINES, seed=int(Path(library.page(page).source).stem) + 1)):
            record_correction(library, page, f"l{number}", text, "ana")


def laid_out(library: Library) -> TrainingLines:
    return write_training_lines(library, lambda done, of: None)


def stems(lesson: TrainingLines, part: str) -> set[str]:
    return {path.name.removesuffix(".gt.txt") for path in (lesson.folder / part).glob("*.gt.txt")}


def test_lines_are_learnt_from_or_kept_apart_always_the_same_ones(corrected: Library) -> None:
    first, second = laid_out(corrected), laid_out(corrected)
    assert first.folder != second.folder and first.train_count + first.test_count == PAGES * LINES
    for part in ("train", "test"):
        assert stems(first, part) == stems(second, part)
    assert not stems(first, "train") & stems(first, "test")
    assert all((first.folder / "test" / f"{stem}.png").is_file() for stem in stems(first, "test"))


def test_what_was_learnt_from_never_judges_a_later_reader(corrected: Library) -> None:
    lesson = laid_out(corrected)
    for path in [path for stem in stems(lesson, "test") for path in (lesson.folder / "test").glob(f"{stem}.*")]:
        path.rename(lesson.folder / "train" / path.name)
    mark_as_learnt(corrected, lesson)
    with pytest.raises(CapasError) as caught:
        laid_out(corrected)
    assert caught.value.key == "too_few_corrections"


def test_too_few_corrections_are_refused(run: Path, tmp_path: Path) -> None:
    reader = LineReader.open(run)
    library = library_of(tmp_path, reader, where=str(run), pages=4, lines=LINES)
    making = read_index_provenance(library)
    read_pages(
        library,
        LocalReader(reader=reader, finder=lambda picture: (), min_probability=making.min_probability),
        making.origin,
    )
    correct_pages(library, range(1, 5))
    with pytest.raises(CapasError) as caught:
        laid_out(library)
    assert caught.value.key == "too_few_corrections" and "12" in str(caught.value)
    assert not list((library.folder / "corrected").iterdir())


def test_a_reader_compared_with_itself_gains_nothing(corrected: Library, run: Path) -> None:
    gain = compare_readers(laid_out(corrected), run, run)
    assert (gain.difference.value, gain.difference.shown, gain.changed) == (0, False, ())
    assert 0 < gain.before.value < 1


def test_the_rules_for_transcripts_go_on(
    corrected: Library, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader that learnt "ñ" as "n" goes on doing so, and is judged by it."""
    ruled = tmp_path / "ruled"
    shutil.copytree(run / "bundle", ruled)
    answers = json.loads((ruled / "answers.json").read_text("utf-8"))
    rules = NormalisationRules(name="plain", replace=(("n\u0303", "n"),))
    changed = {**answers, "transcripts": rules.model_dump(mode="json")}
    add_file(ruled, "answers.json", json.dumps(changed).encode())
    write_index_provenance(corrected, dataclasses.replace(read_index_provenance(corrected), reader=str(ruled)))
    settings = [f"{name}={json.dumps(value)}" for name, value in SETTINGS.items() if name != "data.image_size"]
    options = [word for one in [*settings, "train.time_s=0"] for word in ("--set", one)]
    got = capas_here(capsys, "archive", "learn", corrected.folder, "--out", "new", *options, "--json")
    assert got.code == 0, got.err
    new = LineReader.open("new")
    assert new.rules == rules and "n" in new.alphabet.characters
    assert all("ñ" not in one["truth"] for one in got.json["changed"])  # type: ignore[attr-defined]


def test_learning_says_what_was_gained(corrected: Library, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [f"{name}={json.dumps(value)}" for name, value in SETTINGS.items() if name != "data.image_size"]
    options = [word for one in [*settings, "train.time_s=0"] for word in ("--set", one)]
    got = capas_here(capsys, "archive", "learn", corrected.folder, "--out", "new", *options, "--json")
    assert got.code == 0, got.err
    found = got.json
    assert found["run"] == "new" and found["after"]["n"] == found["before"]["n"] > 0  # type: ignore[index]
    rates = [found[name]["value"] for name in ("after", "before")]  # type: ignore[index]
    assert found["difference"]["difference"] == pytest.approx(rates[0] - rates[1], abs=2e-6)  # type: ignore[index]
    assert "network.init_from" not in Path("new/config.toml").read_text()
    assert f'init_from = "{run}"' in Path("new/config.toml").read_text()
