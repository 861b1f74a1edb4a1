"""Listing: every layout, every name, and every way in which a folder can be odd."""

import json
import os
import unicodedata
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.sources.source import DataSource, open_source
from capas.data.tabular.columns import Cell
from tests.data.drawing import class_folders, save


def names(source: DataSource) -> list[str]:
    assert source.images is not None
    return [source.images.name(i) for i in range(len(source.images))]


def cells(source: DataSource) -> dict[str, tuple[Cell, ...]]:
    return {name: tuple(column) for name, column in source.columns.items()}


def kinds(source: DataSource) -> dict[str, int]:
    return {problem.kind: problem.count for problem in source.problems}


def refused(path: Path | str) -> str:
    with pytest.raises(CapasError) as caught:
        open_source(path)
    assert str(caught.value)
    return caught.value.key


def test_class_folders_in_natural_order_with_nested_files(tmp_path: Path) -> None:
    for name in ("cats/10.png", "cats/2.png", "dogs/2020/a.png", "dogs/b.png"):
        save(tmp_path / name, 1)
    source = open_source(tmp_path)
    assert source.layout == "class_folders"
    assert names(source) == ["cats/2.png", "cats/10.png", "dogs/2020/a.png", "dogs/b.png"]
    assert cells(source) == {"class": ("cats", "cats", "dogs", "dogs")}
    assert source.fixed_split == (None,) * 4


@pytest.mark.parametrize(
    ("folder", "side"),
    [("Train", "train"), ("val", "validation"), ("valid", "validation"), ("TEST", "test"), ("prueba", "test"),
     ("entrenamiento", "train"), ("validación", "validation")],
)  # fmt: skip
def test_split_folders_in_both_languages(tmp_path: Path, folder: str, side: str) -> None:
    save(tmp_path / folder / "cats" / "a.png", 1)
    save(tmp_path / folder / "dogs" / "a.png", 2)
    source = open_source(tmp_path)
    assert source.layout == "split_folders"
    assert source.fixed_split == (side, side)
    assert cells(source)["class"] == ("cats", "dogs")


def test_a_train_beside_other_vehicles_is_a_class(tmp_path: Path) -> None:
    source = open_source(class_folders(tmp_path, bus=1, car=1, train=1))
    assert source.layout == "class_folders"
    assert cells(source)["class"] == ("bus", "car", "train")


def test_unlabelled_pictures_below_a_split_are_kept_without_class(tmp_path: Path) -> None:
    for name in ("train/cats/a.png", "train/dogs/a.png", "test/x.png"):
        save(tmp_path / name, 1)
    source = open_source(tmp_path)
    assert dict(zip(names(source), source.columns["class"], strict=True))["test/x.png"] is None


@pytest.mark.parametrize("wrapper", ["images", "imágenes", "data"])
def test_a_wrapping_folder_is_stepped_into(tmp_path: Path, wrapper: str) -> None:
    class_folders(tmp_path / wrapper, cats=1, dogs=1)
    assert cells(open_source(tmp_path))["class"] == ("cats", "dogs")


def test_a_single_class_with_years_inside_stays_one_class(tmp_path: Path) -> None:
    class_folders(tmp_path / "cats", y2020=1, y2021=1)
    assert cells(open_source(tmp_path))["class"] == ("cats", "cats")


def test_strange_names(tmp_path: Path) -> None:
    for i, name in enumerate(["a b.png", "año.png", "🐈.png", "two\nlines.png", "%s{x}.png"]):
        save(tmp_path / "with space" / name, i)
        save(tmp_path / "ñandú 🪶" / name, i + 9)
    source = open_source(tmp_path)
    assert len(names(source)) == 10
    assert set(source.columns["class"]) == {"with space", "ñandú 🪶"}


def test_composed_and_decomposed_names_are_one_class(tmp_path: Path) -> None:
    save(tmp_path / "train" / unicodedata.normalize("NFC", "cañón") / "a.png", 1)
    save(tmp_path / "test" / unicodedata.normalize("NFD", "cañón") / "a.png", 2)
    assert len(set(open_source(tmp_path).columns["class"])) == 1


def test_undecodable_name_can_be_reported(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=1, dogs=1)
    with open(os.fsencode(tmp_path) + b"/cats/a\xff.txt", "wb") as stream:
        stream.write(b"x")
    (problem,) = open_source(tmp_path).problems
    assert json.dumps(problem.as_json(), ensure_ascii=False).encode("utf-8")


def test_junk_is_ignored_and_foreign_files_are_counted(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=1, dogs=1)
    for name in (".DS_Store", "cats/Thumbs.db", "__MACOSX/cats/._a.png", ".git/x.png", "cats/.hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cats" / "notes.txt").write_text("x")
    (tmp_path / "cats" / "layers.psd").write_bytes(b"x")
    save(tmp_path / "loose.png", 5)
    source = open_source(tmp_path)
    assert len(names(source)) == 2
    assert kinds(source) == {"not_a_picture": 1, "foreign_picture": 1, "outside_classes": 1}


def test_a_picture_without_suffix_is_known_by_its_bytes(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=1, dogs=1)
    (tmp_path / "cats" / "0.png").rename(tmp_path / "cats" / "d41d8cd9")
    assert "cats/d41d8cd9" in names(open_source(tmp_path))


def test_empty_class(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=1, dogs=1)
    (tmp_path / "birds").mkdir()
    (problem,) = open_source(tmp_path).problems
    assert (problem.kind, problem.examples) == ("empty_class", ("birds",))


def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", cats=1, dogs=1)
    save(tmp_path / "elsewhere" / "a.png", 7)
    (tmp_path / "data" / "cats" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "alias").symlink_to(tmp_path / "data" / "dogs")
    (tmp_path / "data" / "birds").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "dogs" / "self.png").symlink_to("self.png")
    (tmp_path / "data" / "dogs" / "gone.png").symlink_to("nowhere.png")
    source = open_source(tmp_path / "data", follow_links=True)
    assert names(source) == ["birds/a.png", "cats/0.png", "dogs/0.png"]
    assert kinds(source) == {"symlink_loop": 4, "unreadable": 1}


def test_links_out_of_the_folder_are_named_and_followed_only_when_asked(tmp_path: Path) -> None:
    """Of a folder from somebody else, who could have the user's own pictures learnt from and shown."""
    class_folders(tmp_path / "data", cats=1, dogs=1)
    save(tmp_path / "private" / "a.png", 7)
    (tmp_path / "data" / "cats" / "more").symlink_to(tmp_path / "private")
    (tmp_path / "data" / "dogs" / "b.png").symlink_to(tmp_path / "private" / "a.png")
    (tmp_path / "data" / "dogs" / "same.png").symlink_to("0.png")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for folder in (tmp_path / "data", tmp_path / "link"):
        source = open_source(folder)
        assert names(source) == ["cats/0.png", "dogs/0.png", "dogs/same.png"]
        assert kinds(source) == {"link_outside": 2}
    assert len(open_source(tmp_path / "data", follow_links=True).files or ()) == 5


def test_a_folder_of_nothing_but_links_out_of_it_says_how_to_allow_them(tmp_path: Path) -> None:
    save(tmp_path / "private" / "a.png", 7)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").symlink_to(tmp_path / "private" / "a.png")
    with pytest.raises(CapasError, match=r"data\.follow_links=true") as refused:
        open_source(tmp_path / "data")
    assert refused.value.key == "only_links_outside" and refused.value.received == "a.png"


def test_pipes_under_any_name_are_left_out_and_never_opened(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=2, dogs=2)
    for name in ("cats/p.png", "dogs/q.wav", "r.csv", "cats/s", "dogs/t.txt", "u.xlsx", "v.jsonl"):
        os.mkfifo(tmp_path / name)
    source = open_source(tmp_path)
    assert len(names(source)) == 4 and kinds(source) == {"not_a_picture": 7}


def test_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path, cats=1, dogs=1, secret=1)
    scan = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert kinds(open_source(tmp_path)) == {"unreadable": 1}


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=1, dogs=1)
    os.mkfifo(tmp_path / "cats" / "pipe")
    assert kinds(open_source(tmp_path)) == {"not_a_picture": 1}


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("net.pt", b"x", "foreign_model_file"),
        ("net.pkl", b"x", "foreign_model_file"),
        ("all.zip", b"PK", "archive_not_unpacked"),
        ("all.xlsx", b"PK", "spreadsheet_broken"),
        ("all.numbers", b"PK", "spreadsheet"),
        ("one.jpg", b"\xff\xd8\xff", "single_picture"),
        ("notes.docx", b"x", "not_data"),
    ],
)
def test_files_that_are_no_data(tmp_path: Path, name: str, content: bytes, key: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name) == key


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere") == "no_such_path"
    assert refused("x" * 5000) == "no_such_path"
    assert refused("hf:mnist") == "hub_not_available"
    assert refused(tmp_path) == "empty_folder"
    (tmp_path / "a.docx").write_text("x")
    assert refused(tmp_path) == "no_pictures"


def test_the_kind_of_file_that_a_folder_has_most_of_is_its_medium(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=2, dogs=1)
    for i in range(4):
        (tmp_path / "cats" / f"t{i}.txt").write_text(f"about cats, {i}")
    source = open_source(tmp_path)
    assert (source.medium, source.file_field, source.images) == ("text", "text", None)
    assert source.files is not None and [source.files.name(i) for i in range(4)] == [f"cats/t{i}.txt" for i in range(4)]
    assert cells(source) == {"class": ("cats",) * 4}
    assert kinds(source) == {"not_a_picture": 3, "empty_class": 1}


def write_csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_flat_folder_with_a_table(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"p{i}.png", i)
    write_csv(tmp_path / "labels.csv", "file,kind,age\np2.png,x,3\np0.png,y,4\ngone.png,y,5\n")
    source = open_source(tmp_path)
    assert source.layout == "flat_folder"
    assert names(source) == ["p2.png", "p0.png"]
    assert cells(source) == {"kind": ("x", "y"), "age": (3.0, 4.0)}
    assert source.file_field == "file"
    assert kinds(source) == {"missing_file": 1, "not_in_table": 2}


@pytest.mark.parametrize("cell", ["img/añ o.png", "añ o.png", "img\\añ o.png", "C:\\Users\\x\\añ o.png", "añ o"])
def test_a_table_finds_pictures_in_a_folder_beside_it(tmp_path: Path, cell: str) -> None:
    save(tmp_path / "img" / "añ o.png", 1)
    save(tmp_path / "img" / "b.png", 2)
    table = write_csv(tmp_path / "t.csv", f"path,class\n{cell},x\nb.png,y\n")
    source = open_source(table)
    assert source.layout == "table"
    assert names(source) == ["img/añ o.png", "img/b.png"]


def test_numbers_name_pictures_where_each_occurs_once(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"{i}.png", i)
    table = write_csv(tmp_path / "t.csv", "grade,number\n0,3\n0,0\n1,2\n1,1\n")
    source = open_source(table)
    assert names(source) == ["3.png", "0.png", "2.png", "1.png"]
    assert cells(source) == {"grade": (0.0, 0.0, 1.0, 1.0)} and source.file_field == "number"


def test_a_wrong_folder_in_a_path_is_not_guessed_when_ambiguous(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=2, dogs=2)
    (tmp_path / "cats" / "1.png").unlink()
    (tmp_path / "birds").mkdir()
    save(tmp_path / "birds" / "1.png", 9)
    table = write_csv(tmp_path / "t.csv", "path,class\ncats/0.png,c\ncats/1.png,c\ndogs/1.png,d\n")
    assert kinds(open_source(table)) == {"missing_file": 1}


def test_all_missing_is_an_error_and_names_the_column(tmp_path: Path) -> None:
    assert refused(write_csv(tmp_path / "t.csv", "photo,class\na.png,x\nb.png,y\n")) == "all_files_missing"


def test_split_column(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", "a,class,split\n1,x,train\n2,y,test\n3,x,\n")
    source = open_source(table)
    assert source.images is None
    assert source.fixed_split == ("train", "test", None)
    assert list(source.columns) == ["a", "class"]


def test_class_folders_beside_a_table_follow_the_target(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=2, dogs=2)
    write_csv(tmp_path / "meta.csv", "path,mood\ncats/0.png,calm\ndogs/1.png,wild\n")
    assert open_source(tmp_path).layout == "class_folders"
    assert cells(open_source(tmp_path, target="mood")) == {"mood": ("calm", "wild")}


def test_sample_has_a_fixed_split() -> None:
    source = open_source("sample:shapes")
    assert (source.layout, len(source)) == ("sample", 600)
    assert set(source.fixed_split) == {"train", "test"}
    assert refused("sample:shape") != ""


def test_split_folders_under_other_names(tmp_path: Path) -> None:
    for side in ("training_set", "test_set"):
        class_folders(tmp_path / side, cats=2, dogs=2, seed=len(side))
    source = open_source(tmp_path)
    assert source.layout == "split_folders"
    assert set(cells(source)["class"]) == {"cats", "dogs"}
    assert sorted(zip(names(source), source.fixed_split, strict=True))[0] == ("test_set/cats/0.png", "test")


def test_split_folders_that_stand_twice_and_one_without_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "seg_train" / "seg_train", sea=2, street=2)
    class_folders(tmp_path / "seg_test" / "seg_test", sea=1, street=1, seed=50)
    save(tmp_path / "seg_pred" / "seg_pred" / "1.png", 99)
    source = open_source(tmp_path)
    assert sorted(cells(source)["class"], key=str) == ["sea"] * 3 + ["street"] * 3
    assert (source.fixed_split.count("train"), source.fixed_split.count("test")) == (4, 2)
    assert kinds(source) == {"outside_classes": 1}


def test_folds_hold_the_classes_and_lay_down_the_split(tmp_path: Path) -> None:
    for i in range(1, 5):
        class_folders(tmp_path / f"fold{i}", bark=2, horn=2, seed=10 * i)
    source = open_source(tmp_path)
    assert set(cells(source)["class"]) == {"bark", "horn"}
    by_fold = {name.split("/")[0]: side for name, side in zip(names(source), source.fixed_split, strict=True)}
    assert by_fold == {"fold1": "train", "fold2": "train", "fold3": "validation", "fold4": "test"}


def test_numbered_parts_with_the_same_classes_are_no_classes(tmp_path: Path) -> None:
    for i in (1, 2):
        class_folders(tmp_path / f"part_{i}", cats=2, dogs=2, seed=10 * i)
    source = open_source(tmp_path)
    assert set(cells(source)["class"]) == {"cats", "dogs"} and source.fixed_split == (None,) * 8


def test_numbered_classes_stay_classes(tmp_path: Path) -> None:
    class_folders(tmp_path, grade_1=2, grade_2=2)
    assert set(cells(open_source(tmp_path))["class"]) == {"grade_1", "grade_2"}


@pytest.mark.parametrize("folders", [("images",), ("part_1", "part_2"), ("images_001/images", "images_002/images")])
def test_a_table_beside_folders_that_are_no_classes_is_read(tmp_path: Path, folders: tuple[str, ...]) -> None:
    rows = ["image_id,dx"]
    for number, folder in enumerate(folders):
        for i in range(4):
            save(tmp_path / folder / f"{number}{i}.png", 10 * number + i)
            rows.append(f"{number}{i},{'ab'[i % 2]}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    source = open_source(tmp_path)
    assert set(cells(source)) == {"dx"} and len(source) == 4 * len(folders)


def test_a_table_in_a_folder_of_its_own_names_files_in_others_with_folds(tmp_path: Path) -> None:
    rows = ["name,fold,class"]
    for i in range(12):
        save(tmp_path / "pictures" / f"fold{1 + i % 4}" / f"{i}.png", i)
        rows.append(f"{i}.png,{1 + i % 4},{'ab'[i % 2]}")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "all.csv").write_text("\n".join(rows))
    source = open_source(tmp_path)
    assert set(cells(source)) == {"class"} and len(source) == 12
    assert source.fixed_split.count("test") == source.fixed_split.count("validation") == 3
    assert source.fixed_split[3] == "test"


def test_a_table_beside_true_classes_is_told_of(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=3, dogs=3)
    rows = [f"{name}/{i}.png,{i}" for name in ("cats", "dogs") for i in range(3)]
    (tmp_path / "ages.csv").write_text("\n".join(["file,age", *rows]))
    source = open_source(tmp_path)
    assert source.layout == "class_folders" and kinds(source) == {"table_beside": 1}
    assert source.problems[0].examples == ("ages.csv",) and source.problems[0].values["named"] == 6


def test_sounds_in_a_format_that_is_not_read_get_their_own_advice(tmp_path: Path) -> None:
    for name in ("a/1.m4a", "a/2.m4a", "b/3.m4a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypM4A ")
    assert refused(tmp_path) == "only_foreign_sounds"
    class_folders(tmp_path, cats=2, dogs=2)
    assert kinds(open_source(tmp_path))["foreign_sound"] == 3


def test_names_that_are_not_utf_8_are_read_as_windows_names(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/c\xedrculo")
    Path(folder).mkdir()
    class_folders(tmp_path, square=2)
    for i in range(2):
        save(tmp_path / f"{i}.png", 50 + i).rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9%d.png" % i))
    source = open_source(tmp_path)
    assert set(cells(source)["class"]) == {"círculo", "square"}
    assert "círculo/café0.png" in names(source)
    assert source.images is not None and all(source.images.decode(i).shape == (32, 32, 3) for i in range(4))
    json.dumps([names(source), cells(source)], ensure_ascii=False).encode()


def test_a_file_of_words_in_columns_is_a_data_set_by_itself(tmp_path: Path) -> None:
    (tmp_path / "ner.conll").write_text("Ana B-PER\nvive O\nen O\nLugo B-LOC\n\n" * 3)
    (tmp_path / "other.conll").write_text("no O\n\n")
    source = open_source(tmp_path / "ner.conll")
    assert len(source) == 3 and source.target_kind == "tokens" and set(source.classes) == {"B-PER", "B-LOC", "O"}
    (tmp_path / "bad.conll").write_text("a text and nothing else")
    with pytest.raises(CapasError) as refused:
        open_source(tmp_path / "bad.conll")
    assert refused.value.key == "not_data"
