"""Boxes of objects are said to be such; what only looks like it is learnt as before."""

import json
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.sources.source import open_source
from tests.data.drawing import class_folders, save

VOC = "<annotation><object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
COCO = {"images": [{"id": 1}], "annotations": [{"bbox": [1, 2, 3, 4]}], "categories": [{"id": 1}]}
LABELME = {"shapes": [{"label": "cat", "points": [[1, 2], [3, 4]]}], "imagePath": "0.png"}
YOLO = "0 0.51 0.48 0.2 0.3\n12 0.1 0.25 .05 1\n"


def refused(path: Path) -> str:
    with pytest.raises(CapasError) as caught:
        open_source(path)
    assert caught.value.key == "objects_to_find"
    return caught.value.received


def test_yolo_beside_the_pictures_and_in_folders(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / "darknet" / f"{i}.png", i)
        (tmp_path / "darknet" / f"{i}.txt").write_text("" if i == 3 else YOLO)
        for side in ("train", "val"):
            save(tmp_path / "yolo" / "images" / side / f"{side}{i}.png", i)
            labels = tmp_path / "yolo" / "labels" / side
            labels.mkdir(parents=True, exist_ok=True)
            (labels / f"{side}{i}.txt").write_text(YOLO)
    assert refused(tmp_path / "darknet") == refused(tmp_path / "yolo") == "YOLO"


def test_voc_coco_labelme_and_tables_of_corners(tmp_path: Path) -> None:
    for name in ("voc/JPEGImages", "coco/train2017", "labelme", "csv/images"):
        for i in range(3):
            save(tmp_path / name / f"{i}.png", i)
    (tmp_path / "voc" / "Annotations").mkdir()
    (tmp_path / "coco" / "annotations").mkdir()
    for i in range(3):
        (tmp_path / "voc" / "Annotations" / f"{i}.xml").write_text(VOC)
        (tmp_path / "labelme" / f"{i}.json").write_text(json.dumps(LABELME))
    (tmp_path / "coco" / "annotations" / "instances.json").write_text(json.dumps(COCO))
    (tmp_path / "csv" / "boxes.csv").write_text(
        "file,xmin,ymin,xmax,ymax,class\n0.png,1,2,3,4,cat\n1.png,1,2,3,4,dog\n"
    )
    assert refused(tmp_path / "voc") == "Pascal VOC" and refused(tmp_path / "coco") == "COCO"
    assert refused(tmp_path / "labelme") == "LabelMe" and refused(tmp_path / "csv") == "CSV"


def test_transcripts_of_numbers_and_class_folders_are_no_boxes(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "lines" / f"{i}.png", i)
        (tmp_path / "lines" / f"{i}.txt").write_text(f"{i} 12 3 4 1875")
    assert open_source(tmp_path / "lines").target_kind == "transcript"
    class_folders(tmp_path / "classes", cats=2, dogs=2)
    (tmp_path / "classes" / "boxes.json").write_text(json.dumps(COCO))
    assert open_source(tmp_path / "classes").layout == "class_folders"
