"""Pages of our own making."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.sources.samples import sample_folder
from capas.data.synthetic.manuscripts import FONT_FOLDER, FONT_SIZES, make_manuscripts
from capas.page_formats.formats import read_page


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_manuscripts(tmp_path_factory.mktemp("made"), pages=3, test_pages=2, seed=5)


def test_each_hand_is_a_font_with_its_licence() -> None:
    for hand in FONT_SIZES:
        assert (FONT_FOLDER / f"{hand}.woff2").is_file()
        assert "SIL Open Font License" in (FONT_FOLDER / f"{hand}.LICENSE.txt").read_text(encoding="utf-8")


def test_the_last_hand_is_met_in_testing_only(pages: Path) -> None:
    held = list(FONT_SIZES)[-1]
    assert [path for path in (pages / "train").iterdir() if held in path.name] == []
    assert len([path for path in (pages / "test").glob("*.jpg") if held in path.name]) == 1


def test_the_ink_stands_on_the_baselines(pages: Path) -> None:
    for file in pages.rglob("*.xml"):
        page = read_page(file).page
        picture = np.asarray(Image.open(file.with_suffix(".jpg")).convert("L"), dtype=np.float32)
        assert picture.shape == (page.height, page.width) and len(page.lines) > 15
        for line in page.lines:
            (x0, y), (x1, _) = line.baseline
            inside = picture[round(y) - 30 : round(y), round(x0) : round(x1)]
            above = picture[round(y) - 56 : round(y) - 46, round(x0) : round(x1)]
            assert line.text and inside.std() > 1.2 * above.std()


def test_a_seed_draws_the_same_pages_and_another_one_others(pages: Path, tmp_path: Path) -> None:
    for seed in (5, 6):
        make_manuscripts(tmp_path / str(seed), pages=1, test_pages=0, seed=seed)
    first = next((pages / "train").glob("001*.xml")).read_bytes()
    assert next((tmp_path / "5/train").glob("*.xml")).read_bytes() == first
    assert next((tmp_path / "6/train").glob("*.xml")).read_bytes() != first


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("in the way")
    with pytest.raises(CapasError) as refused:
        make_manuscripts(tmp_path, pages=1, test_pages=0)
    assert refused.value.key == "cannot_write"


def test_other_samples_are_no_folders() -> None:
    assert sample_folder("shapes") is None
