"""IIIF manifests: both versions in the forms that archives use; written ones read back the same."""

import json
from dataclasses import replace

import pytest

from capas.core.errors import CapasError
from capas.page_formats.iiif import read_manifest, to_manifest
from capas.page_formats.unit import ArchivalUnit, Sheet
from tests.page_formats.drawn import EMPTY_UNIT, MADE, UNIT

ADDRESS = "https://archive.example/iiif/1/manifest.json"
VERSION_2 = {
    "@context": "http://iiif.io/api/presentation/2/context.json",
    "@id": "https://bib.example/m", "@type": "sc:Manifest",
    "label": [{"@value": "Libro", "@language": "es"}, {"@value": "Book", "@language": "en"}],
    "sequences": [{"canvases": [
        {"@type": "sc:Canvas", "label": "f. 1r", "width": 100, "height": 200, "images": [
            {"resource": {"@id": "https://bib.example/1/full/full/0/native.jpg", "width": 1000, "height": 2000}}]},
        {"@type": "sc:Canvas", "label": "sound only", "images": []},
        {"@type": "sc:Canvas", "width": 100, "height": 200, "images": [
            {"resource": {"@type": "oa:Choice", "default": {"@id": "https://bib.example/2.jpg"}, "item": []}}]},
    ]}],
}  # fmt: skip
VERSION_3 = {
    "@context": "http://iiif.io/api/presentation/3/context.json", "id": "https://bib.example/3", "type": "Manifest",
    "label": {"es": ["Legajo"], "en": ["Bundle"]},
    "items": [
        {"id": "c1", "type": "Canvas", "height": 1800, "width": 1200, "items": [{"type": "AnnotationPage", "items": [
            {"type": "Annotation", "motivation": "painting", "body": {"type": "Choice", "items": [
                {"id": "https://bib.example/a.jpg", "type": "Image"}, {"id": "https://bib.example/b.jpg"}]}}]}]},
        {"id": "c2", "type": "Canvas", "label": {"none": ["2"]}, "items": [{"items": [
            {"body": {"id": "file:///etc/passwd", "type": "Image"}}]}]},
    ],
}  # fmt: skip


def read(tree: object) -> ArchivalUnit:
    return read_manifest(json.dumps(tree).encode(), "manifest.json")


def test_a_written_manifest_reads_back_the_same() -> None:
    content = to_manifest(UNIT, ADDRESS, MADE)
    assert read_manifest(content, "m") == replace(UNIT, id=ADDRESS)


def test_it_has_what_presentation_3_demands() -> None:
    tree = json.loads(to_manifest(UNIT, ADDRESS, MADE))
    assert (tree["@context"], tree["type"], tree["id"]) == (
        "http://iiif.io/api/presentation/3/context.json", "Manifest", ADDRESS,
    )  # fmt: skip
    canvas = tree["items"][0]
    painting = canvas["items"][0]["items"][0]
    assert painting["motivation"] == "painting"
    assert painting["target"] == canvas["id"]
    ids = [one["id"] for item in tree["items"] for one in (item, item["items"][0], item["items"][0]["items"][0])]
    assert len(set(ids)) == 6 and all(name.startswith("https://archive.example/iiif/1/") for name in ids)
    assert {"label": {"none": ["model"]}, "value": {"none": ["0f3a"]}} in tree["metadata"]


def test_version_2() -> None:
    found = read(VERSION_2)
    assert (found.id, found.title) == ("https://bib.example/m", "Libro")
    assert found.sheets == (
        Sheet(label="f. 1r", image="https://bib.example/1/full/full/0/native.jpg", width=1000, height=2000),
        Sheet(label="3", image="https://bib.example/2.jpg", width=100, height=200),
    )


def test_version_3() -> None:
    found = read(VERSION_3)
    assert found.title == "Legajo"
    assert found.sheets == (Sheet(label="1", image="https://bib.example/a.jpg", width=1200, height=1800),)


@pytest.mark.parametrize(
    "content, received",
    (
        (b"", "Expecting value"),
        (b"<html>", "Expecting value"),
        (b"\xff\xfe\xff", ""),
        (b"[1]", "list"),
        (b'{"type": "Collection"}', "Collection"),
        (b'{"type": "Manifest"}', "0 images"),
        (b'{"type": "Manifest", "items": [1, {"items": "x"}, {"items": [{"items": [{"body": 3}]}]}]}', "0 images"),
        (b'{"@type": "sc:Manifest", "sequences": []}', "0 images"),
        (b"[" * 100_000, "recursion"),
    ),
)
def test_what_is_no_manifest_is_an_error(content: bytes, received: str) -> None:
    with pytest.raises(CapasError) as caught:
        read_manifest(content, "m.json")
    assert caught.value.key == "not_a_manifest"
    assert received in caught.value.received


def test_a_manifest_needs_sizes() -> None:
    with pytest.raises(ValueError, match="size"):
        to_manifest(replace(UNIT, sheets=(Sheet(label="1", image="https://a.example/1.jpg"),)), ADDRESS, MADE)
    with pytest.raises(ValueError, match="size"):
        to_manifest(EMPTY_UNIT, ADDRESS, MADE)
