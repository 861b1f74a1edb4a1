"""A bundle reads back as written, says when it was changed, and no pickle is ever opened."""

import json
import os
import pickle
import resource
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from capas.bundle.card import Card, read_card, seal_of, write_card
from capas.bundle.read import PICKLE_SUFFIXES
from capas.bundle.readme import model_card
from capas.bundle.write import add_file
from capas.core.errors import CapasError
from capas.core.files import content_hash, hash_file
from capas.core.i18n import choose_language
from capas.engine.predict import load_model


class Opened:
    """Unpickling this leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture
def bundle(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run / "bundle", tmp_path / "bundle")


def refused(path: Path) -> CapasError:
    with pytest.raises(CapasError) as caught:
        load_model(path)
    return caught.value


def edit_card(bundle: Path, change: Callable[[dict[str, object]], object]) -> None:
    tree = json.loads((bundle / "card.json").read_text(encoding="utf-8"))
    change(tree)
    tree["seal"] = seal_of(tree)  # as somebody does who means to
    (bundle / "card.json").write_text(json.dumps(tree), encoding="utf-8")


def rewrite(bundle: Path, name: str, content: bytes) -> None:
    """Another content of a file, which the card knows."""
    (bundle / name).write_bytes(content)
    edit_card(bundle, lambda tree: tree["files"].update({name: content_hash(content)}))  # type: ignore[attr-defined]


def test_the_files_are_those_of_the_design(bundle: Path) -> None:
    names = {"model.safetensors", "card.json", "README.md", "labels.txt", "preparation.json", "answers.json"}
    assert {path.name for path in bundle.iterdir()} == names
    assert (bundle / "labels.txt").read_text() == "circle\nsquare\ntriangle\n"


def test_a_card_reads_back_equal_and_has_these_keys(bundle: Path, tmp_path: Path) -> None:
    card = read_card(bundle / "card.json")
    write_card(tmp_path / "again.json", card)
    assert read_card(tmp_path / "again.json") == card
    assert (tmp_path / "again.json").read_bytes() == (bundle / "card.json").read_bytes()
    tree = json.loads((bundle / "card.json").read_text())
    assert {key: list(value) if isinstance(value, dict) else None for key, value in tree.items()} == {
        "format": None, "version": None, "name": None, "task": None, "medium": None, "inputs": None,
        "targets": None, "classes": None,
        "network": ["name", "settings", "parameters", "paper"],
        "weights": ["hash", "bytes", "started_from"],
        "files": ["answers.json", "labels.txt", "preparation.json"],
        "data": ["source", "splits"],
        "metrics": ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "expected_calibration_error"],
        "baseline": ["majority", "logistic_regression"],
        "per_class": ["circle", "square", "triangle"],
        "limits": None,
        "provenance": ["capas", "torch", "processor", "created", "seed", "seconds", "steps", "device", "precision",
                       "memory_format", "threads"],
        "seal": None,
    }  # fmt: skip
    assert list(tree["network"]["settings"]) == ["in_channels", "num_classes", "image_size", "width", "flip_tta"]
    assert (tree["task"], tree["medium"]) == ("classify", "image")
    assert tree["inputs"] == [{"name": "image", "kind": "image", "unit": ""}]
    assert tree["targets"] == [{"name": "class", "kind": "category", "unit": ""}]
    assert set(tree["data"]["splits"]) == {"train", "validation", "test"}
    assert tree["data"]["source"] == "sample:shapes" and tree["data"]["splits"]["test"]["count"] == 120


def test_the_card_names_no_folder_of_its_maker(bundle: Path, finished_run: Path) -> None:
    for path in bundle.iterdir():
        assert str(finished_run.parent).encode() not in path.read_bytes(), path.name


def test_an_unknown_or_wrong_key_in_the_card_is_named(bundle: Path) -> None:
    edit_card(bundle, lambda tree: tree.update(mood="good"))
    error = refused(bundle)
    assert error.key == "card_unreadable" and error.where.endswith("card.json: mood")
    edit_card(bundle, lambda tree: [tree.pop("mood"), tree.update(classes="circle")])
    assert refused(bundle).where.endswith("card.json: classes")
    edit_card(bundle, lambda tree: tree.pop("classes"))
    assert refused(bundle).where.endswith("card.json: classes")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_card_that_is_none_is_refused(content: bytes, bundle: Path) -> None:
    (bundle / "card.json").write_bytes(content)
    assert refused(bundle).key == "card_unreadable"


def test_a_card_of_an_earlier_capas_says_what_to_do(bundle: Path) -> None:
    edit_card(bundle, lambda tree: (tree.update(version=1), tree.pop("classes")))
    error = refused(bundle)
    assert error.key == "card_older" and "capas train" in str(error)


def test_a_card_of_a_newer_capas_says_so(bundle: Path) -> None:
    edit_card(bundle, lambda tree: tree.update(version=99))
    error = refused(bundle)
    assert error.key == "card_version" and "upgrade" in str(error)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda tree: tree["network"].update(name="compct"), "network_unknown"),
        (lambda tree: tree["network"]["settings"].update(num_classes=4), "card_unreadable"),
        (
            lambda tree: [tree["network"]["settings"].update(num_classes=4), tree["classes"].append("x")],
            "bundle_incomplete",
        ),
        (lambda tree: tree["network"]["settings"].update(num_classes=0), "card_unreadable"),
        (lambda tree: tree["network"]["settings"].update(width=16), "bundle_incomplete"),
        (lambda tree: tree["classes"].pop(), "card_unreadable"),
        (lambda tree: tree["metrics"].pop("accuracy"), "card_unreadable"),
    ],
)
def test_a_card_that_contradicts_its_weights_is_refused(
    change: Callable[[dict[str, object]], object], key: str, bundle: Path
) -> None:
    edit_card(bundle, change)
    assert refused(bundle).key == key


@pytest.mark.parametrize("name", ["model.safetensors", "preparation.json", "answers.json"])
def test_a_missing_file_is_named(name: str, bundle: Path) -> None:
    (bundle / name).unlink()
    error = refused(bundle)
    assert error.key == "bundle_incomplete" and name in error.where


def test_altered_weights_are_refused(bundle: Path) -> None:
    path = bundle / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refused(bundle).key == "bundle_altered"
    path.write_bytes(content[:-1])
    assert refused(bundle).key == "bundle_altered"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"height": 3}', '{"heigth": 3}', '{"height": NaN}', "[" * 9999])
def test_a_wrong_preparation_is_refused(content: str, bundle: Path) -> None:
    rewrite(bundle, "preparation.json", content.encode())
    assert refused(bundle).key in ("bundle_incomplete", "preparation_invalid", "preparation_unknown_key")


@pytest.mark.parametrize("name", ["preparation.json", "answers.json", "labels.txt", "card.json"])
def test_an_altered_file_is_refused(name: str, bundle: Path) -> None:
    """Classes in another order, another mean or temperature, figures of 100 %: each answers otherwise."""
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content.replace(b"circle", b"square") if name == "card.json" else content + b" ")
    error = refused(bundle)
    assert error.key == "bundle_altered" and error.where.endswith(name)


def test_a_card_may_be_formatted_otherwise_and_the_readme_be_edited(bundle: Path) -> None:
    tree = json.loads((bundle / "card.json").read_text())
    (bundle / "card.json").write_text(json.dumps(dict(reversed(tree.items()))))
    (bundle / "README.md").write_text("mine")
    assert load_model(bundle).classes == ["circle", "square", "triangle"]


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "..", "a/b"])
def test_a_card_names_no_file_outside(name: str, bundle: Path) -> None:
    edit_card(bundle, lambda tree: tree.update(files={name: "0" * 32}))
    assert refused(bundle).key == "bundle_altered"


def test_a_pipe_in_a_bundle_is_not_waited_for(bundle: Path) -> None:
    for name in ("answers.json", "model.safetensors", "card.json"):
        (bundle / name).unlink()
        os.mkfifo(bundle / name)
        assert refused(bundle).key in ("bundle_incomplete", "not_a_bundle")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, bundle: Path) -> None:
    tensors = load_file(bundle / "model.safetensors")
    next(one for one in tensors.values() if one.is_floating_point()).view(-1)[0] = value
    save_file(tensors, bundle / "model.safetensors")
    digest = hash_file(bundle / "model.safetensors")
    edit_card(bundle, lambda tree: tree.update(weights=tree["weights"] | {"hash": digest}))  # type: ignore[operator]
    assert refused(bundle).key == "bundle_not_finite"


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_are_refused(kind: torch.dtype, bundle: Path) -> None:
    tensors = load_file(bundle / "model.safetensors")
    name = next(name for name, one in tensors.items() if one.is_floating_point())
    save_file({**tensors, name: tensors[name].to(kind)}, bundle / "model.safetensors")
    digest = hash_file(bundle / "model.safetensors")
    edit_card(bundle, lambda tree: tree.update(weights=tree["weights"] | {"hash": digest}))  # type: ignore[operator]
    assert refused(bundle).key == "bundle_incomplete" and str(kind) in refused(bundle).received


def test_two_classes_of_one_name_are_refused(bundle: Path) -> None:
    edit_card(bundle, lambda tree: tree.update(classes=["circle", "circle", "square"]))
    assert refused(bundle).key == "card_unreadable"


@pytest.mark.parametrize("width", [700, 20_000, 10**9])
def test_a_card_that_asks_for_a_huge_network_costs_no_memory(width: int, bundle: Path) -> None:
    edit_card(bundle, lambda tree: tree["network"]["settings"].update(width=width))  # type: ignore[index]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(bundle).key in ("bundle_too_large", "bundle_incomplete")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes


def test_a_file_added_later_is_known_to_the_card(bundle: Path) -> None:
    add_file(bundle, "more.bin", b"abc")
    assert read_card(bundle / "card.json").files["more.bin"] == content_hash(b"abc")
    load_model(bundle)
    (bundle / "more.bin").write_bytes(b"abd")
    assert refused(bundle).key == "bundle_altered"


def test_a_preparation_for_other_pictures_is_refused(bundle: Path) -> None:
    tree = json.loads((bundle / "preparation.json").read_text())
    rewrite(bundle, "preparation.json", json.dumps({**tree, "channels": 1, "mean": [0.5], "std": [0.5]}).encode())
    assert refused(bundle).key == "bundle_incomplete"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("suffix", sorted(PICKLE_SUFFIXES | {".safetensors", ".model", ""}))
def test_a_pickle_is_refused_and_never_opened(protocol: int, suffix: str, tmp_path: Path) -> None:
    path, mark = tmp_path / f"weights{suffix}", tmp_path / "opened"
    path.write_bytes(pickle.dumps(Opened(mark), protocol=protocol))
    error = refused(path)
    old_and_unnamed = protocol < 2 and suffix not in PICKLE_SUFFIXES
    assert error.key == ("not_a_bundle" if old_and_unnamed else "pickle_refused")
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the trap itself must work"


def test_torchs_own_files_are_refused(tmp_path: Path) -> None:
    mark = tmp_path / "opened"
    torch.save({"a": Opened(mark)}, tmp_path / "model.pt")
    assert zipfile.is_zipfile(tmp_path / "model.pt")
    shutil.copy(tmp_path / "model.pt", tmp_path / "model.safetensors")
    for name in ("model.pt", "model.safetensors"):
        error = refused(tmp_path / name)
        assert error.key == "pickle_refused" and "safetensors.torch.save_file" in str(error)
    with pytest.raises(CapasError, match="can run any program on your computer"):
        load_model(tmp_path / "model.pt")
    assert not mark.exists()


def test_a_pickle_in_the_place_of_the_weights_is_never_opened(bundle: Path, tmp_path: Path) -> None:
    """With or without a card that vouches for it."""
    from capas.core.files import content_hash

    mark, path = tmp_path / "opened", bundle / "model.safetensors"
    torch.save(Opened(mark), path)
    assert refused(bundle).key == "bundle_altered"
    weights = {"hash": content_hash(path.read_bytes()), "bytes": path.stat().st_size, "started_from": ""}
    edit_card(bundle, lambda tree: tree.update(weights=weights))
    assert refused(bundle).key == "bundle_incomplete"
    assert not mark.exists()


def test_a_folder_with_foreign_weights_says_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Opened(tmp_path / "opened")))
    error = refused(folder)
    assert error.key == "pickle_refused" and error.where.endswith("pytorch_model.bin")
    (folder / "pytorch_model.bin").unlink()
    assert refused(folder).key == "not_a_bundle"
    assert refused(tmp_path / "nothing").key == "no_such_bundle"


def front_matter(text: str) -> dict[str, str]:
    head, _, _ = text.removeprefix("---\n").partition("\n---\n")
    assert text.startswith("---\n")
    found = {}
    for line in head.split("\n"):
        name, colon, value = line.strip().removeprefix("- ").partition(":")
        assert colon and name.replace("-", "_").isidentifier(), line
        found[name] = value.strip()
    return found


def test_the_readme_has_a_head_that_hugging_face_reads(bundle: Path) -> None:
    text = (bundle / "README.md").read_text(encoding="utf-8")
    head = front_matter(text)
    card = read_card(bundle / "card.json")
    assert (head["language"], head["library_name"]) == ("en", "capas")
    assert (head["pipeline_tag"], head["name"]) == ("image-classification", json.dumps(card.name))
    assert f"value: {card.headline[1].value:.4f}" in head["metrics"] and 'name: "sample:shapes"' in head["dataset"]
    assert all(name in text for name in card.classes) and card.limits[0] in text and card.weights.hash in text


def test_names_that_markdown_or_yaml_would_read_otherwise(bundle: Path) -> None:
    card = read_card(bundle / "card.json")
    odd = 'a "b" \\ c: # |\nd'
    circle, *others = card.classes
    card = card.model_copy(
        update={
            "name": odd,
            "classes": [odd, *others],
            "per_class": {odd: card.per_class[circle], **{name: card.per_class[name] for name in others}},
        }
    )
    text = model_card(card)
    assert json.loads(front_matter(text)["name"]) == 'a "b" \\ c: # | d'
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert sum('a "b" \\ c: # \\| d' in row for row in rows) == 1
    assert all(row.replace("\\|", "").count("|") in (3, 4) for row in rows)


def test_the_readme_speaks_spanish(bundle: Path) -> None:
    choose_language("es")
    card: Card = read_card(bundle / "card.json")
    text = model_card(card)
    assert "language: es" in text and "## " in text and "How good" not in text
