"""``capas edit`` on a class-conditioned VAE trained on a toy: a line left or right, a bar between."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.bundle.read import read_bundle
from tests.harness import FIXED, capas_here, train_here

SETTINGS = {
    **FIXED, "method.name": "vae", "network.width": 4, "train.epochs": 12, "optim.learning_rate": 8e-3,
    "data.image_size": 8, "augment.crop": 0.0,
}  # fmt: skip


def bar(side: str, height: int) -> np.ndarray:
    picture = np.full((8, 8), 20, np.uint8)
    picture[:, {"left": 1, "right": 6}[side]] = 230
    picture[8 - height :, 3:5] = 230
    return picture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data`` (96 pictures in two classes), ``vae`` (a run) and two pictures."""
    folder, rng = tmp_path_factory.mktemp("edit"), np.random.default_rng(0)
    for i in range(240):
        side = ("left", "right")[i % 2]
        (folder / "data" / side).mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 12, (8, 8), dtype=np.uint8)
        Image.fromarray(bar(side, 2 + i // 2 % 6) + noise).save(folder / "data" / side / f"{i:02d}.png")
    Image.fromarray(bar("left", 7)).save(folder / "tall.png")
    Image.fromarray(bar("right", 2)).save(folder / "short.png")
    train_here(folder / "data", folder / "vae", SETTINGS)
    return folder


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def drawn(path: str) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(float)


def height(picture: np.ndarray) -> float:
    """How much of the bar in the middle is bright, as a number of rows."""
    return float(((picture[:, 3:5] - 20) / 210).mean(1).sum())


def side(picture: np.ndarray) -> str:
    return "left" if picture[:, 1].mean() > picture[:, 6].mean() else "right"


def test_another_class_and_another_style(capsys: pytest.CaptureFixture[str]) -> None:
    answer = capas_here(capsys, "edit", "vae", "tall.png", "--class", "right", "-o", "a.png", "--json")
    found = answer.json
    assert isinstance(found, dict)
    assert (found["class_before"], found["class"], found["taken_for"]["class"]) == ("left", "right", "right")
    moved = drawn("a.png")
    assert moved.shape == (8, 8) and side(moved) == "right"
    assert capas_here(capsys, "edit", "vae", "short.png", "--class", "left", "-o", "s.png").code == 0
    assert side(drawn("s.png")) == "left"
    assert height(moved) > height(drawn("s.png")) + 2  # tall stays tall
    assert capas_here(capsys, "edit", "vae", "tall.png", "--style-of", "short.png", "-o", "b.png").code == 0
    assert side(drawn("b.png")) == "left" and height(drawn("b.png")) < height(moved) - 1


def test_saved_latents_give_the_same_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert capas_here(capsys, "edit", "vae", "tall.png", "--save", "l.json", "-o", "c.png").code == 0
    assert capas_here(capsys, "edit", "vae", "--from", "l.json", "-o", "d.png").code == 0
    np.testing.assert_array_equal(drawn("c.png"), drawn("d.png"))
    with Image.open("c.png") as first, Image.open("d.png") as second:
        assert (first.info["capas:edits"], second.info["capas:edits"]) == ("tall.png", "l.json")
    assert capas_here(capsys, "edit", "vae", "--from", "l.json", "--save", "l.json", "-o", "d.png").code == 0


@pytest.mark.parametrize(("option", "file", "key"), [
    ("-o", "data/left/00.png", "output_not_ours"), ("--save", "vae/data.json", "output_not_ours"),
    ("-o", "x.txt", "output_suffix"), ("-o", "folder/", "output_suffix"), ("-o", "data", "cannot_write"),
    ("--save", "x.png", "output_suffix"), ("-o", "tall.png/x.png", "cannot_write"),
])  # fmt: skip
def test_nothing_but_an_earlier_result_is_replaced(
    option: str, file: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(file).read_bytes() if Path(file).is_file() else None
    refused = capas_here(capsys, "edit", "vae", "tall.png", "--class", "left", option, file, "--json")
    assert refused.code == 2 and isinstance(refused.json, dict) and refused.json["error"] == key
    assert before is None or Path(file).read_bytes() == before


def test_a_page_replaces_a_page_only(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.html").write_text("<html>mine</html>")
    for _ in range(2):
        assert capas_here(capsys, "edit", "vae", "--inspect", "-o", "own.html").code == 0
    refused = capas_here(capsys, "edit", "vae", "--inspect", "-o", "mine.html")
    assert refused.code == 2 and Path("mine.html").read_text() == "<html>mine</html>"


def test_a_factor_is_traversed_and_the_page_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    answer = capas_here(capsys, "edit", "vae", "--inspect", "--json")
    found = answer.json
    assert isinstance(found, dict)
    told = [factor["divergence"] for factor in found["factors"]]
    assert told == sorted(told, reverse=True) and len(told) == 22
    page = Path("inspect.html").read_text()
    assert page.count("data:image/png;base64,") == 2 + 22 and "http" not in page
    most = found["factors"][0]["factor"]
    assert capas_here(capsys, "edit", "vae", "tall.png", "--traverse", most, "-o", "strip.png").code == 0
    strip = drawn("strip.png")
    assert strip.shape == (8, 72) and np.abs(strip[:, :8] - strip[:, -8:]).max() > 30


def test_what_cannot_be_done_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capas_here(capsys, "edit", "vae", "tall.png", "--save", "l.json", "-o", "c.png")
    tree = json.loads(Path("l.json").read_text())
    Path("other.json").write_text(json.dumps({**tree, "model": "0" * 32}))
    Path("short.json").write_text(json.dumps({**tree, "shared_latent": [0.0]}))
    Path("not.json").write_text("[]")
    for arguments, key in (
        (("vae", "tall.png", "--class", "middle"), "knows no class"),
        (("vae", "tall.png", "--traverse", "s99"), "no factor"),
        (("vae", "tall.png"), "Nothing to do"),
        (("vae",), "one of the two"),
        (("vae", "tall.png", "--from", "l.json"), "one of the two"),
        (("vae", "--from", "other.json", "-o", "x.png"), "another model"),
        (("vae", "--from", "short.json", "-o", "x.png"), "shared_latent: 1 ≠"),
        (("vae", "--from", "not.json", "-o", "x.png"), "no latents"),
        (("vae", "gone.png", "--class", "left"), "gone.png"),
    ):
        answer = capas_here(capsys, "edit", *arguments)
        assert answer.code == 2 and key.lower() in (answer.err + answer.out).lower(), (arguments, answer.err)
    assert not Path("x.png").exists()


def test_a_plain_classifier_cannot_edit(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {**FIXED, "network.width": 1, "train.epochs": 0.1, "data.image_size": 8}
    train_here(place / "data", place / "plain", settings)
    answer = capas_here(capsys, "edit", "plain", "tall.png", "--class", "left")
    assert answer.code == 2 and "compact" in answer.err


def test_the_bundle_keeps_the_whole_vae(place: Path) -> None:
    bundle = read_bundle(place / "vae" / "bundle")
    assert bundle.card.network.name == "class-conditioned-vae"
    assert {"class_means", "log_deviation"} <= set(bundle.tensors)
