"""Pages with ALTO or PAGE beside them: their lines are examples, and no page is divided."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.collections import TextCollection
from capas.data.inspect.report import inspect_dataset
from capas.data.sources.page_lines import PageLineImages
from capas.data.sources.source import DataSource, open_source
from capas.page_formats.layout.line_images import crop_line

LINES = (40, 80, 120)


def page(path: Path, seed: int, *, size: tuple[int, int] = (200, 160)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def alto(path: Path, name: str, *, size: tuple[int, int] = (200, 160), extra: str = "") -> Path:
    lines = "".join(
        f'<TextLine ID="l{y}" BASELINE="10 {y} 190 {y}" HPOS="10" VPOS="{y - 20}" WIDTH="180" HEIGHT="28">'
        f'<String CONTENT="{name} {y}"/></TextLine>'
        for y in LINES
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Layout><Page WIDTH="{size[0]}" HEIGHT="{size[1]}" '
        f'ID="p" PHYSICAL_IMG_NR="1"><PrintSpace><TextBlock ID="b">{lines}{extra}</TextBlock></PrintSpace></Page>'
        "</Layout></alto>",
        encoding="utf-8",
    )
    return path


def pagexml(path: Path, name: str) -> Path:
    lines = "".join(
        f'<TextLine id="l{y}"><Coords points="10,{y - 20} 190,{y - 20} 190,{y + 8} 10,{y + 8}"/>'
        f'<Baseline points="10,{y} 190,{y}"/><TextEquiv><Unicode>{name} {y}</Unicode></TextEquiv></TextLine>'
        for y in LINES
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15"><Page imageFilename="x" '
        f'imageWidth="200" imageHeight="160"><TextRegion id="r">{lines}</TextRegion></Page></PcGts>',
        encoding="utf-8",
    )
    return path


def pages(root: Path, count: int = 8) -> Path:
    for i in range(count):
        page(root / f"{i}.png", i)
        alto(root / f"{i}.xml", f"page {i}")
    return root


def texts(source: DataSource) -> dict[str, str]:
    assert source.files is not None and isinstance(source.targets, TextCollection)
    return {source.files.name(i): source.targets.texts[i] for i in range(len(source))}


def kinds(source: DataSource) -> dict[str, tuple[str, ...]]:
    return {problem.kind: problem.examples for problem in source.problems}


def test_every_line_is_an_example_with_its_text(tmp_path: Path) -> None:
    source = open_source(pages(tmp_path, 2))
    assert (source.layout, source.target_kind, source.medium, source.problems) == ("pairs", "transcript", "image", ())
    assert texts(source) == {f"{i}.png#l{y}": f"page {i} {y}" for i in range(2) for y in LINES}
    assert "6 lines" in source.evidence[0]


def test_a_line_is_cut_out_of_its_page(tmp_path: Path) -> None:
    source = open_source(pages(tmp_path, 5))
    lines = source.files
    assert isinstance(lines, PageLineImages)
    for i in (13, 0, 7):  # pages in any order, more than are held in memory
        one = lines.lines[i]
        picture = np.array(Image.open(tmp_path / f"{one.page}.png"))
        expected = crop_line(picture, one.line, one.height, reach=one.extent)
        assert np.array_equal(lines.decode(i)[..., 0], expected)
        assert (lines.info(i).height, lines.info(i).width) == expected.shape


def test_no_page_is_in_two_splits(tmp_path: Path) -> None:
    seen = inspect_dataset(pages(tmp_path))
    assert seen.detection.spec.task == "transcribe"
    sides = defaultdict(set)
    for i, side in enumerate(seen.split):
        sides[seen.inputs.name(i).partition("#")[0]].add(side)
    assert len(sides) == 8
    assert all(len(own) == 1 for own in sides.values())
    assert {side for own in sides.values() for side in own} == {"train", "validation", "test"}
    assert "mixed_sizes" not in {problem.kind for problem in seen.problems}


def test_lines_that_look_alike_do_not_join_their_pages(tmp_path: Path) -> None:
    """As lines of one hand do in small: here the same writing everywhere, with a little noise."""
    writing = np.tile(np.repeat([40, 220, 90, 200], 10), (40, 5))
    for i in range(8):
        noise = np.random.default_rng(i).integers(-8, 8, (160, 200))
        Image.fromarray((np.tile(writing, (4, 1)) + noise).astype(np.uint8)).save(tmp_path / f"{i}.png")
        alto(tmp_path / f"{i}.xml", f"page {i}")
    assert set(inspect_dataset(tmp_path).split) == {"train", "validation", "test"}


def test_a_copy_of_a_page_goes_where_the_page_goes(tmp_path: Path) -> None:
    pages(tmp_path, 6)
    for end in (".png", ".xml"):
        (tmp_path / f"copy{end}").write_bytes((tmp_path / f"0{end}").read_bytes())
    seen = inspect_dataset(tmp_path)
    sides = {seen.split[i] for i in range(len(seen.split)) if seen.inputs.name(i).startswith(("0.png", "copy.png"))}
    assert len(sides - {None}) == 1
    assert "duplicates" in {problem.kind for problem in seen.problems}


def test_folders_of_a_split_are_kept(tmp_path: Path) -> None:
    for side, seed in (("train", 0), ("val", 1), ("test", 2)):
        page(tmp_path / side / "a.png", seed)
        alto(tmp_path / side / "a.xml", side)
    source = open_source(tmp_path)
    assert source.fixed_split == ("test",) * 3 + ("train",) * 3 + ("validation",) * 3


@pytest.mark.parametrize("folder", ("page", "alto", "PAGE_XML"))
@pytest.mark.parametrize("pictures", (".", "images"))
def test_the_descriptions_may_lie_in_a_folder_of_their_own(folder: str, pictures: str, tmp_path: Path) -> None:
    for i in range(2):
        page(tmp_path / pictures / f"{i}.jpg", i)
        pagexml(tmp_path / folder / f"{i}.xml", f"p{i}")
    assert list(texts(open_source(tmp_path)).values()) == [f"p{i} {y}" for i in range(2) for y in LINES]


def test_a_description_above_belongs_to_no_picture_below(tmp_path: Path) -> None:
    page(tmp_path / "a.png", 0)
    alto(tmp_path / "a.xml", "mine")
    page(tmp_path / "other" / "a.png", 1)
    source = open_source(tmp_path)
    assert len(source) == 3
    assert kinds(source)["page_alone"] == ("other/a.png",)


def test_of_both_standards_page_is_taken(tmp_path: Path) -> None:
    page(tmp_path / "0.png", 0)
    alto(tmp_path / "alto" / "0.xml", "alto")
    pagexml(tmp_path / "page" / "0.xml", "page")
    assert set(texts(open_source(tmp_path)).values()) == {f"page {y}" for y in LINES}


def test_a_description_of_a_larger_picture_is_scaled(tmp_path: Path) -> None:
    page(tmp_path / "0.png", 0, size=(100, 80))
    alto(tmp_path / "0.xml", "a")
    lines = open_source(tmp_path).files
    assert isinstance(lines, PageLineImages)
    assert lines.lines[0].line.baseline == ((5.0, 20.0), (95.0, 20.0))


def test_what_cannot_be_used_is_told_and_skipped(tmp_path: Path) -> None:
    pages(tmp_path, 3)
    page(tmp_path / "alone.png", 50)
    page(tmp_path / "turned.png", 51, size=(160, 200))
    alto(tmp_path / "turned.xml", "turned")
    page(tmp_path / "broken.png", 52)
    (tmp_path / "broken.xml").write_text("<alto><Layout>", encoding="utf-8")
    point = '<TextLine ID="bad" BASELINE="10 140"/>'
    alto(tmp_path / "2.xml", "two", extra=point)
    (tmp_path / "settings.xml").write_text("<settings/>", encoding="utf-8")
    source = open_source(tmp_path)
    found = kinds(source)
    assert len(source) == 9
    assert found["page_alone"] == ("alone.png",)
    assert {example.split(".xml")[0].rsplit("/", 1)[-1] for example in found["page_unusable"]} == {"broken", "turned"}
    assert found["line_unusable"] == ("2.xml: The baseline of line bad has only one point.",)
    assert found["not_a_picture"] == ("settings.xml",)


def test_descriptions_without_their_pictures_are_told(tmp_path: Path) -> None:
    pages(tmp_path, 3)
    alto(tmp_path / "gone.xml", "gone")
    found = kinds(open_source(tmp_path))
    assert found == {"picture_missing": ("gone.xml",)}
    for i in range(3):
        (tmp_path / f"{i}.png").unlink()
    with pytest.raises(CapasError) as caught:
        open_source(tmp_path)
    assert (caught.value.key, caught.value.received) == ("pages_without_pictures", "4")


def test_where_most_pages_are_unusable_the_first_reason_is_the_answer(tmp_path: Path) -> None:
    pages(tmp_path, 3)
    for name in ("0", "1"):
        (tmp_path / f"{name}.xml").write_text("<alto><Layout>", encoding="utf-8")
    with pytest.raises(CapasError) as caught:
        open_source(tmp_path)
    assert caught.value.key == "xml_broken"
    assert caught.value.where.endswith("0.xml")


def test_lines_that_nobody_has_read_do_not_train(tmp_path: Path) -> None:
    pages(tmp_path)
    alto(tmp_path / "3.xml", "x", extra='<TextLine ID="new" BASELINE="10 150 100 150"/>')
    seen = inspect_dataset(tmp_path)
    by_name = {seen.inputs.name(i): seen.usable[i] for i in range(len(seen.usable))}
    assert not by_name["3.png#new"] and sum(by_name.values()) == 24
    assert "empty_transcript" in {problem.kind for problem in seen.problems}
