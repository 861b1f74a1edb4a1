"""IIIF: parts of pages as the Image API defines them; manifests that say how to search them; hits with boxes."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from capas.archive.library.database import Library
from capas.archive.library.scans import decode_page
from capas.archive.search.snippets import Crop, PageImages
from capas.archive.web.iiif_image import ImageRequest, image_info, image_response, requested_region, requested_size
from capas.archive.web.iiif_search import (
    SEARCH_2,
    content_search_1,
    content_search_2,
    unit_by_key,
    unit_key,
    unit_manifest,
)
from capas.archive.web.search_api import search_request
from capas.archive.web.search_parameters import RequestParameters
from capas.core.errors import CapasError
from capas.page_formats.iiif import read_manifest
from tests.archive.conftest import HEIGHT, WIDTH
from tests.archive.web.conftest import Got

BASE = "http://127.0.0.1:8765"
UNIT = "notaries/1606"
UNIT_ADDRESS = f"{BASE}/iiif/unit/{unit_key(UNIT)}"


def asked(version: int, **params: str) -> RequestParameters:
    return RequestParameters(path=f"/iiif/unit/{unit_key(UNIT)}/search/{version}", params=params, base=BASE)


def json_of(body: bytes) -> dict[str, object]:
    return Got(status=200, headers={}, body=body).json


@pytest.mark.parametrize(
    ("region", "crop"),
    [
        ("full", (0, 0, 900, 420)), ("square", (240, 0, 420, 420)), ("10,20,30,40", (10, 20, 30, 40)),
        ("800,400,500,500", (800, 400, 100, 20)), ("pct:50,50,25,25", (450, 210, 225, 105)),
    ],
)  # fmt: skip
def test_regions(region: str, crop: tuple[int, int, int, int]) -> None:
    found = requested_region(region, 900, 420)
    assert (found.left, found.top, found.width, found.height) == crop


@pytest.mark.parametrize(
    ("size", "pixels"),
    [("max", (800, 400)), ("200,", (200, 100)), (",100", (200, 100)), ("pct:50", (400, 200)), ("10,300", (10, 300)),
     ("!100,100", (100, 50)), ("!1000,200", (400, 200))],
)  # fmt: skip
def test_sizes(size: str, pixels: tuple[int, int]) -> None:
    assert requested_size(size, 800, 400) == pixels


@pytest.mark.parametrize(
    "size", ["", ",", "801,", "0,10", "-1,", "^max", "pct:101", "pct:0", "!10,", "1e3,", "9" * 9 + ","]
)
def test_what_would_enlarge_or_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(CapasError, match="cannot be requested"):
        requested_size(size, 800, 400)


@pytest.mark.parametrize("region", ["", "900,0,1,1", "0,0,0,5", "1,2,3", "-1,0,5,5", "pct:100,0,1,1", "1.5,0,5,5"])
def test_what_is_off_the_page_is_refused(region: str) -> None:
    with pytest.raises(CapasError, match="cannot be requested"):
        requested_region(region, 900, 420)


def test_no_page_is_sent_larger_than_the_cap() -> None:
    assert requested_size("max", 10_000, 5_000) == (4096, 2048)
    with pytest.raises(CapasError, match="cannot be requested"):
        requested_size("5000,", 10_000, 5_000)


def test_a_part_is_that_of_the_picture(library: Library) -> None:
    page, pictures = library.page(1), PageImages()
    got = image_response(page, ImageRequest(region="50,60,200,100", size="max"), pictures)
    found = np.asarray(Image.open(io.BytesIO(got.body)).convert("L")).astype(int)
    assert np.abs(found - pictures.image(page)[60:160, 50:250].astype(int)).mean() < 3
    half = Image.open(io.BytesIO(image_response(page, ImageRequest(region="full", size="pct:50"), pictures).body))
    assert half.size == (WIDTH // 2, HEIGHT // 2)


def test_pages_stay_decoded_up_to_a_size(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counted(path: object, frame: int = 0, *, hash: str = "") -> object:
        decoded.append(path)
        return decode_page(path, frame, hash=hash)  # type: ignore[arg-type]

    monkeypatch.setattr("capas.archive.search.snippets.decode_page", counted)
    for kept, times in ((10 * WIDTH * HEIGHT, 2), (WIDTH * HEIGHT, 4)):
        decoded.clear()
        pictures = PageImages(kept)
        for number in (1, 1, 2, 1, 2):
            pictures.jpeg(library.page(number), Crop(left=0, top=0, width=10, height=10), 10, 10)
        assert len(decoded) == times


def test_info_names_the_size_and_the_tiles(library: Library) -> None:
    facts = json_of(image_info(library.page(1), f"{BASE}/iiif/image/1").body)
    assert (facts["width"], facts["height"], facts["id"]) == (WIDTH, HEIGHT, f"{BASE}/iiif/image/1")
    assert facts["type"] == "ImageService3" and facts["profile"] == "level0"


def test_a_manifest_is_read_back_and_names_its_searches(library: Library) -> None:
    body = unit_manifest(library, UNIT, BASE).body
    unit = read_manifest(body, "here")
    assert [(sheet.width, sheet.height) for sheet in unit.sheets] == [(WIDTH, HEIGHT)]
    services = json_of(body)["service"]
    assert isinstance(services, list)
    assert [one.get("type") or one["@type"] for one in services] == ["SearchService2", "SearchService1"]
    assert unit_by_key(library, unit_key(UNIT)) == UNIT
    with pytest.raises(CapasError, match="cannot be requested"):
        unit_by_key(library, "0" * 16)


def test_hits_are_annotations_with_boxes_and_probabilities_in_both_versions(library: Library) -> None:
    two = json_of(content_search_2(library, UNIT, asked(2, q="sepan", least="0.5", user="x")).body)
    (item,), one = two["items"], json_of(content_search_1(library, UNIT, asked(1, q="sepan", least="0.5")).body)  # type: ignore[misc, has-type]
    place, _, box = str(item["target"]).partition("#xywh=")
    left, top, width, height = map(int, box.split(","))
    assert place == f"{UNIT_ADDRESS}/canvas/1" and 30 <= left <= 75 and 100 <= width <= 200 and top < 150 < top + height
    assert item["probability"] == pytest.approx(0.97**5, rel=0.05) and two["ignored"] == ["user"]
    (match,) = two["annotations"][0]["items"]  # type: ignore[index]
    selector = match["target"]["selector"][0]
    assert match["target"]["source"] == item["id"]
    assert (selector["prefix"], selector["exact"], selector["suffix"]) == ("", "sepan", " cuantos esta carta vieren")
    assert two["@context"][-1] == SEARCH_2  # type: ignore[index]
    (resource,), (hit,) = one["resources"], one["hits"]  # type: ignore[misc]
    assert resource["on"] == item["target"] and hit["annotations"] == [resource["@id"]]
    assert resource["probability"] == hit["probability"] == item["probability"]
    assert resource["resource"]["chars"].startswith("sepan (8")


def test_a_search_keeps_to_its_unit(library: Library) -> None:
    assert json_of(content_search_2(library, UNIT, asked(2, q="casas", least="0.02")).body)["items"] == []
    assert json_of(content_search_2(library, UNIT, asked(2)).body)["items"] == []


def test_hits_go_on_at_the_next_address(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capas.archive.web.iiif_search.PER_PAGE", 1)
    first = json_of(content_search_2(library, UNIT, asked(2, q="c*", least="0.02")).body)
    address = first["next"]["id"]  # type: ignore[index]
    assert address.startswith(f"{UNIT_ADDRESS}/search/2?") and "offset=1" in address
    second = json_of(content_search_2(library, UNIT, asked(2, q="c*", least="0.02", offset="1")).body)
    assert second["startIndex"] == 1 and second["items"] != first["items"]
    assert second["prev"]["id"] == first["id"] + "&offset=0" and "prev" not in first  # type: ignore[index, operator]


def test_parameters_are_checked() -> None:
    assert search_request(RequestParameters(path="/", params={"q": " casa "})).query == "casa"
    with pytest.raises(CapasError, match="cannot be requested"):
        search_request(RequestParameters(path="/", params={"least": "inf"}))


def test_the_sizes_are_those_of_the_scale_factors_as_openseadragon_takes_them(library: Library) -> None:
    facts = json.loads(image_info(library.page(1), "x").body)
    factors = facts["tiles"][0]["scaleFactors"]
    assert [size["width"] for size in facts["sizes"]] == [-(-WIDTH // factor) for factor in reversed(factors[1:])]
    assert max(facts["sizes"][0].values()) <= 256
