"""Drawing what a text says: from captions in a table to a bundle that understands a prompt."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import capas
from capas.core.errors import CapasError
from capas.engine.recipes.generation.caption_reader import CaptionReader
from capas.engine.recipes.generation.prompts import choose_prompt_encoder, fit_prompt_encoder, open_prompt_encoder
from capas.engine.run import Run, read_metrics
from capas.networks.sequence.minilm import minilm_weights_installed
from capas.trust.report import make_report
from tests.harness import FIXED, capas_here

SETTINGS = {**FIXED, "data.task": "generate", "data.target": "says", "train.epochs": 8, "train.batch_size": 8,
            "generation.samples": 16, "generation.captions": "words", "train.evaluations": 1, "network.width": 8,
            "trust.report": "none"}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of 8 pixels a side with a bar, and in words where it is."""
    folder, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    with (folder / "bars.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "says"])
        for i in range(60):
            picture = rng.integers(0, 60, (8, 8)).astype(np.uint8)
            place = int(rng.integers(1, 6))
            picture[place] = 250
            Image.fromarray(picture if i % 2 else picture.T).save(folder / f"{i:02d}.png")
            rows.writerow([f"{i:02d}.png", f"una barra {'tumbada' if i % 2 else 'de pie'} en {place}"])
    return folder / "bars.csv"


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    capas.train(table, out=folder, settings=SETTINGS)
    return folder


def test_a_column_of_sentences_is_captions_and_one_of_names_is_classes(table: Path, tmp_path: Path) -> None:
    spec = capas.look(table, settings={"data.task": "generate", "data.target": "says"}).detection.spec
    assert spec.captioned
    assert len(spec.classes) == 10
    text = table.read_text().replace("una barra ", "").replace(" en ", "-").replace("de pie", "erguida")
    for picture in table.parent.glob("*.png"):
        (tmp_path / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "names.csv").write_text(text)
    spec = capas.look(tmp_path / "names.csv", settings={"data.task": "generate", "data.target": "says"}).detection.spec
    assert not spec.captioned
    assert len(spec.classes) == 10


def test_figures_and_report_of_a_run(run: Path) -> None:
    figures = read_metrics(Run(folder=run))
    assert "class_accuracy_score" not in figures["metrics"]
    found, real = figures["metrics"]["caption_retrieval"], figures["caption_retrieval_of_real"]
    assert found["n"] == 16
    assert real["value"] > found["value"]  # a network of so few steps draws noise
    assert (run / "predictions.csv").read_text().startswith("sample,caption,nearest")
    page = make_report(str(run), "quick").page.read_text(encoding="utf-8")
    assert "una barra" in page


def test_what_a_prompt_says_is_drawn(run: Path) -> None:
    said = capas.generate(run, 4, prompts=["una barra tumbada en 3", "de pie"])
    np.testing.assert_array_equal(said[1], capas.generate(run, 2, prompts=["una barra tumbada en 3", "de pie"])[1])
    assert not np.array_equal(said, capas.generate(run, 4))
    with pytest.warns(UserWarning, match="azul"):
        capas.generate(run, 1, prompts=["una barra azul"])
    for options, key in (({"prompts": ["blue bar"]}, "prompt_not_understood"),
                         ({"conditions": ["de pie"]}, "condition_is_prompt")):  # fmt: skip
        with pytest.raises(CapasError) as error:
            capas.generate(run, 1, **options)
        assert error.value.key == key


def test_files_say_what_was_asked_for(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--prompt", "una barra tumbada en 3")
    assert capas_here(capsys, "generate", run, "-n", "2", *asked, "-o", tmp_path / "drawn").code == 0
    with Image.open(tmp_path / "drawn" / "00001-una_barra_tumbada_en_3.png") as image:
        assert image.info["capas:prompt"] == "una barra tumbada en 3"
        image.save(tmp_path / "given.png")
    said = capas_here(capsys, "edit", run, tmp_path / "given.png", "--prompt", "de pie", "-o", tmp_path / "e.png")
    assert said.code == 0
    with Image.open(tmp_path / "e.png") as edited:
        assert edited.size == (8, 8)
    said = capas_here(capsys, "interpolate", run, "0", "1", "--frames", "2", *asked, "-o", tmp_path / "between")
    assert said.code == 0


def test_words_that_mean_nothing_say_nothing() -> None:
    encoder = fit_prompt_encoder("words", ["gato negro", "gato blanco", "perro"])
    assert encoder.numbers == 4
    vectors = encoder.encode(["gato negro", "negro gato", "loro", ""])
    torch.testing.assert_close(vectors[0], vectors[1])
    torch.testing.assert_close(vectors.norm(dim=1), torch.tensor([2.0, 2.0, 0.0, 0.0]))
    assert encoder.not_understood("gato verde") == ("verde",)
    torch.testing.assert_close(open_prompt_encoder(encoder.as_json()).encode(["perro"]), encoder.encode(["perro"]))
    with pytest.raises(CapasError) as error:
        fit_prompt_encoder("words", ["", " "])
    assert error.value.key == "captions_without_words"


@pytest.mark.skipif(not minilm_weights_installed(), reason="the weights of MiniLM are not installed")
def test_english_captions_are_told_by_their_meaning() -> None:
    english = ["smiling cat face with heart-shaped eyes", "a red heart", "flag for Azerbaijan"]
    assert choose_prompt_encoder(english) == "minilm"
    assert choose_prompt_encoder(["un gato rojo sobre una mesa", "un corazón roto"]) == "words"
    encoder = fit_prompt_encoder("minilm", english)
    vectors = encoder.encode(["a kitten", "a cat", "a mountain", ""])
    likeness = torch.nn.functional.cosine_similarity(vectors[:1], vectors)
    assert likeness[1] > likeness[2] + 0.3
    assert not vectors[3].any()
    assert encoder.not_understood("a cat with a hat") == ()
    assert encoder.not_understood("un avión despegando") == ("un avión despegando",)


def test_captions_are_found_again_by_chance_where_images_say_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(400, 12, generator=rng)
    features = vectors[:, :8].double() + 0.1 * torch.randn(400, 8, generator=rng)
    reader = CaptionReader.fit(features[:200], vectors[:200])
    assert reader.retrieval(features[200:], vectors[200:], seed=1).value > 0.9
    low, high = reader.retrieval(torch.randn(200, 8, generator=rng).double(), vectors[200:], seed=1).interval
    assert low < 0.1 < high


def test_networks_that_take_no_captions_are_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as error:
        capas.train(table, out=tmp_path / "run", settings={**SETTINGS, "network.name": "dcgan"})
    assert error.value.key == "captions_not_for"
