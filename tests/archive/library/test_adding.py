"""Pages come in natural order, with their units and transcripts; what is broken is listed and costs nothing else."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from capas.archive.library.adding import AddedPages, add_pages_from
from capas.archive.library.database import Library
from capas.core.errors import CapasError
from capas.page_formats.alto_write import to_alto
from capas.page_formats.page import Page
from capas.page_formats.provenance import Provenance
from tests.archive.conftest import draw


def added(library: Library, *paths: Path, unit: str = "") -> AddedPages:
    return add_pages_from(library, paths, unit, fetch=False, progress=lambda done, of: None)


@pytest.fixture
def empty(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "archive", "")


def test_folders_become_units_and_pages_stand_in_natural_order(empty: Library, tmp_path: Path) -> None:
    for name in ("b/f10.png", "b/f2.png", "a/c/f1.png"):
        draw(tmp_path / "in" / name, ("texto",))
    (tmp_path / "in" / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff but no more")
    result = added(empty, tmp_path / "in", unit="fondo")
    assert (result.new, result.known, len(result.bad)) == (3, 0, 1) and "broken.jpg" in result.bad[0][0]
    assert [(page.unit, page.label) for page in empty.pages()] == [
        ("fondo/a/c", "f1"), ("fondo/b", "f2"), ("fondo/b", "f10"),
    ]  # fmt: skip
    assert (added(empty, tmp_path / "in", unit="fondo").known, len(empty.pages())) == (3, 3)


def test_a_file_of_many_frames_is_as_many_pages(empty: Library, tmp_path: Path) -> None:
    frames = [Image.new("L", (30 + i, 20), 255) for i in range(3)]
    frames[0].save(tmp_path / "book.tif", save_all=True, append_images=frames[1:])
    added(empty, tmp_path / "book.tif")
    assert [(page.label, page.frame, page.width) for page in empty.pages()] == [
        ("book 1", 0, 30), ("book 2", 1, 31), ("book 3", 2, 32),
    ]  # fmt: skip


def test_a_manifest_names_pictures_beside_it_and_fetches_nothing_unasked(empty: Library, tmp_path: Path) -> None:
    draw(tmp_path / "in" / "f1.png", ("texto",))
    canvas = {"type": "Canvas", "label": {"none": ["12r"]}, "items": [{"items": [{"body": {
        "id": "https://example.org/f1.png", "type": "Image"}}]}]}  # fmt: skip
    manifest = {"type": "Manifest", "id": "https://example.org/m", "label": {"none": ["Libro"]}, "items": [canvas]}
    (tmp_path / "in" / "manifest.json").write_text(json.dumps(manifest))
    assert added(empty, tmp_path / "in" / "manifest.json").new == 1
    assert [(page.unit, page.label) for page in empty.pages()] == [("Libro", "12r")]
    canvas["items"][0]["items"][0]["body"]["id"] = "https://example.org/elsewhere.png"  # type: ignore[index]
    (tmp_path / "in" / "manifest.json").write_text(json.dumps(manifest))
    result = added(empty, tmp_path / "in" / "manifest.json")
    assert result.new == 0 and "elsewhere.png" in result.bad[0][1]


def test_pictures_beside_a_manifest_have_its_labels_and_its_order(empty: Library, tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(tmp_path / "in" / f"{name}.png", (name,))
    canvases = [{"label": label, "items": [{"items": [{"body": {"id": f"https://example.org/{name}.png"}}]}]}
                for name, label in (("b", "1r"), ("a", "1v"))]  # fmt: skip
    manifest = {"type": "Manifest", "label": "Libro", "items": canvases}
    (tmp_path / "in" / "MANIFEST.JSON").write_text(json.dumps(manifest))
    assert added(empty, tmp_path / "in").bad == []
    assert [(page.label, Path(page.source).stem) for page in empty.pages()] == [("1r", "b"), ("1v", "a")]


def test_transcripts_named_beside_their_pictures_are_no_bad_pages(empty: Library, tmp_path: Path) -> None:
    draw(tmp_path / "1.png", ("texto",))
    (tmp_path / "1.xml").write_bytes(to_alto(Page(width=900, height=420, image="1.png"), Provenance(created="")))
    result = added(empty, tmp_path / "1.png", tmp_path / "1.xml")
    assert (result.new, result.transcripts, result.bad) == (1, 1, [])


def test_nothing_to_add_is_an_error(empty: Library, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for path, key in ((tmp_path / "in", "nothing_to_add"), (tmp_path / "gone", "no_pages_at")):
        with pytest.raises(CapasError) as caught:
            added(empty, path)
        assert caught.value.key == key


def test_a_cut_tiff_and_a_name_that_is_not_utf_8_cost_no_other_page(empty: Library, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.new("L", (40, 60), 200).save(folder / "a.png")
    pages = [Image.new("L", (40, 60), shade) for shade in (10, 90, 200)]
    pages[0].save(folder / "b.tif", save_all=True, append_images=pages[1:])
    data = (folder / "b.tif").read_bytes()
    for cut in range(len(data) // 2, len(data) - 1, 400):  # at some of them Pillow raises what is no OSError
        (folder / f"b{cut}.tif").write_bytes(data[:cut])
    (folder / "b.tif").unlink()
    (folder / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    Image.new("L", (40, 60), 200).save(folder / "good.png")
    found = added(empty, folder)
    assert found.new >= 1
    reasons = dict(found.bad)
    for name in reasons:
        name.encode()
    assert any("UTF-8" in reason for name, reason in reasons.items() if "caf" in name)
