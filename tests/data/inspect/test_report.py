"""The whole look: every planted problem is found, and training is handed what it needs."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas.core.i18n
from capas.core.errors import CapasError
from capas.core.i18n import choose_language
from capas.data.inspect.dataset_scan import TableStatistics
from capas.data.inspect.image_statistics import ImageStatistics
from capas.data.inspect.report import DatasetReport, inspect_dataset, require_learnable
from capas.data.problems import Problem
from capas.data.tabular.packed_texts import PackedTexts
from tests.data.drawing import class_folders, drawn, save


def kinds(seen: DatasetReport) -> dict[str, Problem]:
    return {problem.kind: problem for problem in seen.problems}


def test_a_clean_folder_has_no_problems_and_json_has_the_designed_keys(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    seen = inspect_dataset(
        class_folders(tmp_path, cats=8, dogs=9), progress=lambda done, total: steps.append((done, total))
    )
    assert seen.problems == ()
    assert steps[-1] == (17, 17)
    facts = json.loads(json.dumps(seen.as_json()))
    assert list(facts) == ["task", "evidence", "alternatives", "fields", "splits", "problems", "pictures"]
    assert sum(part["count"] for part in facts["splits"].values()) == 17
    assert facts["pictures"]["per_class"] == {"cats": 8, "dogs": 9}
    assert facts["pictures"]["width"] == {"min": 32, "median": 32, "max": 32}
    assert seen.labels == (0,) * 8 + (1,) * 9
    assert all(seen.usable)
    require_learnable(seen)


def test_grey_statistics_are_those_of_the_pixels(tmp_path: Path) -> None:
    seen = inspect_dataset(class_folders(tmp_path, cats=4, dogs=4))
    pixels = np.stack([np.asarray(Image.open(path).convert("L")) for path in sorted(tmp_path.rglob("*.png"))]) / 255
    assert isinstance(seen.statistics, ImageStatistics)
    assert seen.statistics.mean == pytest.approx(pixels.mean())
    assert seen.statistics.std == pytest.approx(pixels.std())


def bomb(path: Path) -> None:
    """A PNG of a few bytes that announces 30000×30000 pixels."""
    small = path.with_suffix(".small.png")
    Image.new("L", (1, 1)).save(small)
    data = bytearray(small.read_bytes())
    small.unlink()
    data[16:24] = (30000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    path.write_bytes(data)


def test_every_planted_problem_is_found(tmp_path: Path) -> None:
    root = class_folders(tmp_path, cats=40, dogs=4, birds=2)
    (root / "fish").mkdir()
    (root / "cats" / "cut.png").write_bytes((root / "cats" / "1.png").read_bytes()[:200])
    (root / "cats" / "empty.png").write_bytes(b"")
    bomb(root / "cats" / "bomb.png")
    shutil.copy(root / "cats" / "2.png", root / "cats" / "copy.png")
    shutil.copy(root / "cats" / "3.png", root / "dogs" / "cat.png")
    drawn(5).resize((64, 64)).save(root / "cats" / "scaled.png")
    save(root / "cats" / "grey.png", 900, mode="L")
    save(root / "cats" / "glass.png", 901, mode="RGBA")
    save(root / "cats" / "really.png", 902).rename(root / "cats" / "really.jpg")
    drawn(903).save(root / "cats" / "film.gif", save_all=True, append_images=[drawn(904)])
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn(905).save(root / "cats" / "turned.jpg", exif=exif)
    save(root / "cats" / "huge.png", 906, side=200)
    seen = inspect_dataset(root)
    found = kinds(seen)
    assert {kind: problem.count for kind, problem in found.items()} == {
        "empty_class": 1, "corrupt": 2, "gigantic": 1, "duplicates": 2, "contradictory_labels": 2,
        "near_duplicates": 1, "mixed_sizes": 3, "mixed_modes": 1, "transparency": 1, "wrong_extension": 1,
        "animated": 1, "rotated": 1, "tiny_class": 1, "imbalance": 3,
    }  # fmt: skip
    assert found["imbalance"].severity == "warning"
    assert set(found["corrupt"].examples) == {"cats/cut.png", "cats/empty.png"}
    assert seen.usable.count(False) == 3
    assert all((side is None) != good for side, good in zip(seen.split, seen.usable, strict=True))
    where = {name: side for i, side in enumerate(seen.split) for name in [seen.source.images.name(i)]}  # type: ignore[union-attr]
    assert where["cats/scaled.png"] == where["cats/4.png"]
    assert where["cats/3.png"] == where["dogs/cat.png"]


def test_near_duplicates_fall_on_the_same_side(tmp_path: Path) -> None:
    root = class_folders(tmp_path, cats=20, dogs=20)
    for i in range(20):
        drawn(i + 1).resize((60, 60)).save(root / "cats" / f"{i}-scaled.png")
    seen = inspect_dataset(root)
    assert kinds(seen)["near_duplicates"].count == 20
    assert seen.source.images is not None
    sides = {seen.source.images.name(i): side for i, side in enumerate(seen.split)}
    assert all(sides[f"cats/{i}.png"] == sides[f"cats/{i}-scaled.png"] for i in range(20))


def test_leaks_between_fixed_splits(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", cats=5, dogs=5)
    class_folders(tmp_path / "test", cats=1)
    save(tmp_path / "test" / "dogs" / "new.png", 700)
    drawn(7).resize((40, 40)).save(tmp_path / "test" / "dogs" / "scaled.png")
    found = kinds(inspect_dataset(tmp_path))
    assert (found["leak"].count, found["leak"].examples) == (1, ("train/cats/0.png = test/cats/0.png",))
    assert (found["near_leak"].count, found["near_leak"].examples) == (
        1,
        ("train/dogs/1.png = test/dogs/scaled.png",),
    )


def test_copies_inside_one_fixed_split_are_no_leak(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", cats=5, dogs=5)
    shutil.copy(tmp_path / "train/cats/0.png", tmp_path / "train/cats/copy.png")
    save(tmp_path / "test/cats/a.png", 700)
    save(tmp_path / "test/dogs/a.png", 701)
    found = kinds(inspect_dataset(tmp_path))
    assert "leak" not in found
    assert found["duplicates"].count == 1


def test_more_than_half_unreadable_is_refused(tmp_path: Path) -> None:
    root = class_folders(tmp_path, cats=3, dogs=3)
    for path in sorted(root.rglob("*.png"))[:3]:
        path.write_bytes(b"broken")
    assert kinds(inspect_dataset(root))["corrupt"].count == 3
    (root / "dogs" / "0.png").write_bytes(b"broken")
    with pytest.raises(CapasError) as caught:
        inspect_dataset(root)
    assert caught.value.key == "too_many_unreadable"
    assert "4 / 6" in str(caught.value)


def test_one_usable_class_is_shown_but_not_trained(tmp_path: Path) -> None:
    root = class_folders(tmp_path, cats=9, dogs=1)
    (root / "dogs" / "0.png").write_bytes(b"")
    seen = inspect_dataset(root)
    assert kinds(seen)["one_class"].severity == "error"
    assert seen.problems[0].kind == "one_class"
    assert seen.detection.spec.classes == ("cats",)
    assert seen.labels == (0,) * 9 + (None,)
    with pytest.raises(CapasError) as caught:
        require_learnable(seen)
    assert caught.value.key == "unlearnable"


def test_too_few_to_test(tmp_path: Path) -> None:
    found = kinds(inspect_dataset(class_folders(tmp_path, cats=1, dogs=1)))
    assert found["empty_test"].severity == "error"


def test_group_column_keeps_patients_together(tmp_path: Path) -> None:
    rows = ["file,class,patient"]
    for i in range(60):
        save(tmp_path / f"{i}.png", i)
        rows.append(f"{i}.png,{'ab'[i % 2]},p{i % 12}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    seen = inspect_dataset(tmp_path, target="class", group="patient")
    patients = seen.source.columns["patient"]
    assert len(set(zip(patients, seen.split, strict=True))) == 12
    assert len(set(seen.split)) == 3
    with pytest.raises(CapasError) as caught:
        inspect_dataset(tmp_path, group="pacient")
    assert caught.value.values["nearest"] == "patient"


def test_rows_without_a_class_take_no_part(tmp_path: Path) -> None:
    rows = ["a;b;class", *(f"{i};{i * 0.37};{'xy'[i % 2]}" for i in range(20)), "99;1.5;"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    seen = inspect_dataset(tmp_path / "t.csv")
    assert isinstance(seen.statistics, TableStatistics)
    assert (seen.statistics.kinds, seen.statistics.missing) == ({"a": "number", "b": "number"}, {"a": 0, "b": 0})
    assert kinds(seen)["unlabelled"].count == 1
    assert (seen.usable[-1], seen.labels[-1], seen.split[-1]) == (False, None, None)


def test_many_pictures_skip_the_search_for_near_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = class_folders(tmp_path, cats=5, dogs=5)
    drawn(1).resize((64, 64)).save(root / "cats" / "scaled.png")
    monkeypatch.setattr("capas.data.inspect.data_checks.MAX_NEAR_DUPLICATE_IMAGES", 10)
    found = kinds(inspect_dataset(root))
    assert "near_duplicates" not in found
    assert found["near_duplicates_skipped"].severity == "note"


def test_the_same_pictures_elsewhere_and_renamed_are_split_alike(tmp_path: Path) -> None:
    first = inspect_dataset(class_folders(tmp_path / "a", cats=30, dogs=30))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in sorted((tmp_path / "b" / "cats").iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    second = inspect_dataset(tmp_path / "b")
    sides = [dict(zip(seen.keys, seen.split, strict=True)) for seen in (first, second)]
    assert sides[0] == sides[1]


def catalogue(language: str) -> dict[str, dict[str, dict[str, str]]]:
    """Problems and errors of all files."""
    found: dict[str, dict[str, dict[str, str]]] = {"problems": {}, "errors": {}}
    for path in (Path(capas.core.i18n.__file__).parent / language).glob("*.toml"):
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        for area, held in found.items():
            held.update({key: texts for key, texts in tree.get(area, {}).items() if isinstance(texts, dict)})
    return found


def test_every_kind_has_its_sentences_with_the_same_placeholders() -> None:
    english, spanish = catalogue("en"), catalogue("es")
    for area in ("problems", "errors"):
        assert english[area].keys() == spanish[area].keys()
        for key, texts in english[area].items():
            for part, text in texts.items():
                other = spanish[area][key][part]
                assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", other)), (key, part)
    sources = Path(capas.core.i18n.__file__).parents[2] / "data"
    code = "".join(path.read_text(encoding="utf-8") for path in sources.rglob("*.py"))
    named = set(re.findall(r'(?:problems_from|make_problem)\(\s*"(\w+)"', code)) | set(
        re.findall(r'skip\("(\w+)"', code)
    )
    assert {"leak", "corrupt", "symlink_loop", "not_a_picture"} - named <= {"symlink_loop"}
    assert named <= english["problems"].keys()


@pytest.mark.parametrize("language", ["en", "es"])
def test_problems_speak_both_languages(tmp_path: Path, language: str) -> None:
    root = class_folders(tmp_path, cats=40, dogs=2)
    (root / "cats" / "empty.png").write_bytes(b"")
    choose_language(language)
    try:
        for problem in inspect_dataset(root).problems:
            assert problem.sentence().endswith(".")
            assert problem.advice()
    finally:
        choose_language(None)


def alike_pictures(root: Path) -> Path:
    """24 pictures of one scene with another grain each, and 24 others with a scratch in another place each."""
    rng = np.random.default_rng(0)
    scene = np.asarray(drawn(5, 48, "L")).astype(np.int64)
    for name in ("good", "scratch"):
        (root / name).mkdir()
        for i in range(24):
            pixels = (scene + rng.integers(-3, 4, scene.shape)).clip(0, 255)
            if name == "scratch":
                pixels[:, 2 * i : 2 * i + 2] = 255
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:02d}.png")
    return root


def test_near_duplicates_never_empty_a_class_of_its_test(tmp_path: Path) -> None:
    seen = inspect_dataset(alike_pictures(tmp_path))
    assert seen.per_class("test")["good"] > 0 and seen.per_class("test")["scratch"] > 0
    found = kinds(seen)
    assert found["alike_apart"].severity == "warning" and found["alike_apart"].count >= 24
    assert not {"class_not_in_test", "one_class_in_test", "empty_test"} & set(found)


def test_a_test_of_one_class_is_an_error(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", cats=5, dogs=5)
    class_folders(tmp_path / "test", cats=3, seed=50)
    seen = inspect_dataset(tmp_path)
    assert (kinds(seen)["one_class_in_test"].severity, kinds(seen)["one_class_in_test"].examples) == (
        "error",
        ("cats",),
    )
    with pytest.raises(CapasError):
        require_learnable(seen)


def test_masks_need_two_classes_that_occur_and_are_tested(tmp_path: Path) -> None:
    def pair(side: str, name: str, values: list[list[int]]) -> None:
        save(tmp_path / side / "images" / name, sum(map(ord, side + name)), 2)
        (tmp_path / side / "masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.array(values, np.uint8)).save(tmp_path / side / "masks" / name)

    for i in range(4):
        pair("train", f"{i}.png", [[0, 0], [0, 0]])
        pair("test", f"{i}.png", [[0, 0], [0, 0]])
    assert kinds(inspect_dataset(tmp_path))["one_class"].severity == "error"
    pair("train", "4.png", [[0, 255], [0, 0]])
    found = kinds(inspect_dataset(tmp_path))
    assert "one_class" not in found and found["one_class_in_test"].examples == ("0",)
    pair("test", "4.png", [[0, 255], [0, 0]])
    assert not {"one_class", "one_class_in_test"} & set(kinds(inspect_dataset(tmp_path)))


def test_names_of_classes_that_differ_in_capitals_or_blanks(tmp_path: Path) -> None:
    labels = ["Yes", "yes", "no", "No ", "ice cream", "Ice_Cream", "a", "A"]
    rows = [f"{i},{i * 7 % 5},{labels[i % 8]}" for i in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["u,v,label", *rows]))
    found = kinds(inspect_dataset(tmp_path / "t.csv"))["class_names_alike"]
    assert found.severity == "warning" and found.count == 6
    assert found.examples[:2] == ("ice cream (10) / Ice_Cream (10)", "No (10) / no (10)")


def test_pdf_under_another_name_is_to_be_converted(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=4, dogs=4)
    for name in ("cats", "dogs"):
        (tmp_path / name / "phone.jpg").write_bytes(b"%PDF-1.7\n0000000000")
    found = kinds(inspect_dataset(tmp_path))
    assert found["foreign_picture"].count == 2 and "corrupt" not in found
    for path in sorted(tmp_path.rglob("*.png"))[::2] + sorted(tmp_path.rglob("*.png"))[1::4]:
        path.write_bytes(b"%PDF-1.7\n0000000000")
    with pytest.raises(CapasError) as caught:
        inspect_dataset(tmp_path)
    assert caught.value.key == "too_many_unreadable" and "JPEG" in caught.value.part("next")


def test_texts_in_windows_1252_are_read_and_those_with_nul_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(6):
            (tmp_path / name / f"{i}.txt").write_bytes(f"la niña número {i} de {name}".encode("cp1252"))
    (tmp_path / "a" / "nul.txt").write_bytes(b"one\0two")
    found = kinds(inspect_dataset(tmp_path))
    assert (found["legacy_encoding"].count, found["legacy_encoding"].severity) == (12, "note")
    assert found["text_with_nul"].examples == ("a/nul.txt",) and "unreadable_text" not in found
    assert "iconv" not in found["text_with_nul"].advice()


def test_a_look_does_not_import_torch() -> None:
    """Which takes a second and 170 MB."""
    code = "import sys; from capas.data.inspect import report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_table_whose_texts_are_packed_is_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that nearly all differ, a few of them missing, repeated, or not ASCII."""
    odd = {5: "", 9: "the same", 10: "the same", 12: "un año más; otro"}
    lines = [f"{i % 7},{odd.get(i, f'note {i} of the many')},{'ab'[i % 2]},2024-01-{1 + i % 28:02}" for i in range(80)]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["n,note,class,day", *lines]))
    plain = inspect_dataset(table)
    monkeypatch.setattr("capas.data.tabular.columns.MAX_UNPACKED", 10)
    packed = inspect_dataset(table)
    assert isinstance(packed.source.columns["note"].words, PackedTexts)  # type: ignore[union-attr]
    assert packed.as_json() == plain.as_json() and packed.keys == plain.keys and packed.split == plain.split


@pytest.mark.parametrize("target", ["kind", "weight"])
def test_rows_that_differ_in_the_target_alone_are_nobody_s_mistake(target: str, tmp_path: Path) -> None:
    told = {"kind": lambda i: "ab"[i % 7 > 3], "weight": lambda i: f"{50 + 0.7 * i:.1f}"}[target]
    rows = [f"{20 + i % 5},{i % 3},{told(i)}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([f"age,rooms,{target}", *rows]))
    kinds = {problem.kind: problem.severity for problem in inspect_dataset(tmp_path / "t.csv", target=target).problems}
    assert kinds["same_inputs"] == "note" and "contradictory_labels" not in kinds
