"""Learning without labels, from a folder to vectors, and from what was learnt to a classifier."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import capas
from capas.bundle.read import read_bundle
from capas.core.errors import CapasError
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.engine.config import Config, EmbeddingMethodName
from capas.engine.encoders.encoder import encode_contents
from capas.engine.events import Evaluated, read_events
from capas.engine.recipes.embedding.encoders import AUTOENCODER, ImageEncoderSettings, image_encoder
from capas.engine.recipes.embedding.evaluate import search_views
from capas.engine.recipes.embedding.inputs import ImageEmbeddingInputs, view_augmentation
from capas.engine.recipes.embedding.objectives import METHODS
from capas.networks.representation.deep_autoencoder import DeepAutoencoder
from capas.representation.encoders import open_encoder

SMALL = {"train.epochs": 1, "network.width": 8, "train.batch_size": 16, "execution.threads": 1,
         "execution.precision": "float32", "execution.memory_format": "contiguous"}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures without labels: stripes of any direction and colour."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    rows, columns = np.mgrid[:24, :24]
    for i in range(60):
        angle, colour = rng.uniform(0, np.pi), rng.uniform(80, 255, 3)
        wave = np.sin((rows * np.cos(angle) + columns * np.sin(angle)) * rng.uniform(0.4, 1.2)) > 0
        Image.fromarray((wave[..., None] * colour).astype(np.uint8)).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "simclr"
    capas.train(pictures, out=folder, settings={**SMALL, "data.task": "embed", "train.epochs": 4})
    return folder


def test_every_method_of_the_configuration_has_its_row() -> None:
    assert set(get_args(EmbeddingMethodName)) == set(METHODS)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_folder_without_labels_becomes_an_encoder(method: str, pictures: Path, tmp_path: Path) -> None:
    if "image" not in METHODS[method].media:
        pytest.skip("not for pictures")
    settings = {**SMALL, "data.task": "embed", "method.name": method}
    if METHODS[method].network == AUTOENCODER:
        del settings["network.width"]
    if METHODS[method].network == "vit":
        settings["network.width"] = 16
    result = capas.train(pictures, out=tmp_path / "run", settings=settings)
    assert result is not None
    figures = result.test_result.as_json()
    rebuilds = METHODS[method].network == AUTOENCODER
    assert list(figures["metrics"]) == ["view_recall", *["squared_error"] * rebuilds]  # type: ignore[call-overload]
    assert set(figures["baseline"]) == {"pixels", "untrained", *["pca"] * rebuilds}  # type: ignore[call-overload]
    assert figures["collapse"]["effective_rank"] >= 1  # type: ignore[index]
    encoder = open_encoder(str(tmp_path / "run"))
    first, again = encode_contents(encoder, [pictures / "00.png", pictures / "00.png"])
    np.testing.assert_allclose(first, again, atol=1e-5)
    assert len(first) == read_bundle(tmp_path / "run" / "bundle").card.network.settings["embedding_dim"]


def test_an_autoencoder_rebuilds_shifted_images_and_other_methods_see_them_where_they_are() -> None:
    images = torch.randint(256, (40, 1, 10, 10), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    store = ImageStore(images.numpy(), {})
    preparation = ImagePreprocessing(height=10, width=10, channels=1, mean=(0.0,), std=(1.0,))
    settings = {"augment.crop": 0.2, "augment.flip": False, "augment.colour": 0.0, "data.channels": 1}

    def seen(name: str, **more: object) -> torch.Tensor:
        inputs = ImageEmbeddingInputs(Config().merged({**settings, "network.name": name, **more}), store, preparation)
        return inputs.training_inputs(torch.arange(40), torch.Generator().manual_seed(1))

    still = images.float() / 255
    torch.testing.assert_close(seen("compact"), still)
    torch.testing.assert_close(seen(AUTOENCODER, **{"augment.crop": 0.0}), still)
    shifts = set()
    for moved, image in zip(seen(AUTOENCODER), still, strict=True):
        inner = moved[0, 2:8, 2:8]
        shifts |= {(dy, dx) for dy in range(5) for dx in range(5)
                   if torch.allclose(inner, image[0, dy : dy + 6, dx : dx + 6])}  # fmt: skip
    assert len(shifts) > 10 and {abs(dy - 2) for dy, _ in shifts} == {0, 1, 2}


def test_an_autoencoder_shifts_a_little_and_is_tested_by_the_usual_views(pictures: Path) -> None:
    for method, crop in (("autoencoder", 0.08), ("simclr", 0.7)):
        plan = capas.plan(pictures, settings={"data.task": "embed", "method.name": method}).resolved.config
        assert plan.augment.crop == crop
        assert view_augmentation(plan).min_area == pytest.approx(0.3)


def test_cards_of_autoencoders_from_before_stand_for_logistic_units() -> None:
    old = ImageEncoderSettings(name=AUTOENCODER, in_channels=1, image_size=4, width=None, code=2)
    encoders = [image_encoder(one) for one in (old, replace(old, hidden="rectified"))]
    assert [one.hidden_units for one in encoders if isinstance(one, DeepAutoencoder)] == ["logistic", "rectified"]


def test_the_weights_are_the_latest_and_the_collapse_is_watched(run: Path) -> None:
    scores = [event for event in read_events(run / "events.jsonl") if isinstance(event, Evaluated)]
    assert len(scores) > 1 and all(score.best for score in scores)
    assert all(score.metric == "view_recall" and 0 <= score.loss < 1 for score in scores)


def test_predict_test_and_export(run: Path, pictures: Path, tmp_path: Path) -> None:
    model = capas.load(run)
    (answer,) = model.predict([pictures / "00.png"])
    assert isinstance(answer.prediction, list) and answer.refused is None
    np.testing.assert_allclose(answer.prediction, encode_contents(open_encoder(str(run)), [pictures / "00.png"])[0],
                               atol=1e-5)  # fmt: skip
    figures = capas.test(run, data="sample:shapes")
    assert figures["metrics"]["view_recall"]["n"] == 120  # type: ignore[index]
    onnx = pytest.importorskip("onnxruntime")
    assert onnx
    exported = model.export(tmp_path / "encoder.onnx", [pictures / "00.png"])
    assert exported.difference < 1e-4


def test_a_classifier_starts_from_what_was_learnt(run: Path, tmp_path: Path) -> None:
    before = read_bundle(run / "bundle")
    settings = {"train.epochs": 0.01, "optim.learning_rate": 1e-12, "optim.ema": 0.0, "network.flip_tta": False,
                "execution.threads": 1}  # fmt: skip
    started = capas.train("sample:shapes", out=tmp_path / "few", report="none",
                          settings={**settings, "network.init_from": str(run)})  # fmt: skip
    assert started is not None
    after = read_bundle(tmp_path / "few" / "bundle")
    assert after.card.weights.started_from == "simclr" and after.card.network.settings["width"] == 8
    assert after.file("preparation.json") == before.file("preparation.json")
    kept = [name for name in before.tensors if name.endswith("weight")]
    assert kept
    for name in kept:
        torch.testing.assert_close(after.tensors[name], before.tensors[name], atol=1e-5, rtol=0)
    head = set(after.tensors) - set(before.tensors)
    assert head and all(float(after.tensors[name].abs().max()) < 1e-6 for name in head)
    with pytest.raises(CapasError) as refused:
        capas.plan("sample:shapes", settings={"network.init_from": str(run), "network.name": "lenet-5"})
    assert refused.value.key == "init_from_fixed"


def test_no_classifier_is_made_of_an_autoencoder(pictures: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "data.task": "embed", "method.name": "autoencoder", "network.width": "auto"}
    capas.train(pictures, out=tmp_path / "run", settings=settings)
    with pytest.raises(CapasError) as refused:
        capas.plan("sample:shapes", settings={"network.init_from": str(tmp_path / "run")})
    assert refused.value.key == "init_from_no_classifier"


def test_a_run_to_start_from_is_nowhere_ignored(run: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,label\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    with pytest.raises(CapasError) as refused:
        capas.plan(tmp_path / "rows.csv", settings={"network.init_from": str(run)})
    assert refused.value.key == "init_from_not_here"


def test_copies_alone_are_called_copies(pictures: Path, tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / f"{i}.png").write_bytes((pictures / "00.png").read_bytes())
    with pytest.raises(CapasError) as refused:
        capas.plan(tmp_path, settings={"data.task": "embed"})
    assert "11 examples are exact copies" in refused.value.received


@pytest.mark.parametrize("method", ["simclr", "cpc"])
def test_sounds_too(method: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(40):
        wave = np.sin(2 * np.pi * rng.uniform(200, 2000) * np.arange(2000) / 8000)
        place = tmp_path / "sounds" / ("low" if i % 2 else "high")
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / f"{i}.wav", wave.astype(np.float32), 8000)
    settings = {**SMALL, "data.task": "embed", "method.name": method}
    assert capas.train(tmp_path / "sounds", out=tmp_path / "run", settings=settings) is not None
    encoder = open_encoder(str(tmp_path / "run"))
    assert encode_contents(encoder, [tmp_path / "sounds" / "low" / "1.wav"]).shape[0] == 1
    started = capas.train(tmp_path / "sounds", out=tmp_path / "few", report="none",
                          settings={"network.init_from": str(tmp_path / "run"), "train.epochs": 0.1})  # fmt: skip
    assert started is not None
    before, after = (
        json.loads((tmp_path / name / "bundle" / "preparation.json").read_text()) for name in ("run", "few")
    )
    assert before == after
    with pytest.raises(CapasError) as refused:
        capas.plan("sample:shapes", settings={"network.init_from": str(tmp_path / "run")})
    assert refused.value.key == "init_from_other_medium"


def test_what_cannot_be_learnt_is_refused(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    for data, settings, key in (
        (tmp_path / "t.csv", {"data.task": "embed"}, "embed_wants_files"),
        ("sample:shapes", {"method.name": "simclr"}, "method_needs_embed"),
        (pictures, {"data.task": "embed", "method.name": "mae", "network.name": "compact"}, "network_not_for"),
        (pictures, {"data.task": "embed", "method.name": "jigsaw", "data.image_size": 16}, "pictures_too_small"),
        (pictures, {}, "no_labels"),
    ):
        with pytest.raises(CapasError) as refused:
            capas.plan(data, settings=settings)
        assert refused.value.key == key


def test_a_view_is_found_among_originals() -> None:
    originals = torch.eye(4)
    views = torch.eye(4) + 0.1
    views[3] = originals[2]
    search = search_views(originals, views)
    assert search.found == 3 and search.nearest.tolist() == [0, 1, 2, 2]
    collapsed = search_views(torch.ones(5, 3), torch.ones(5, 3))
    assert collapsed.found == 1  # any is as good as another: only the first is right


def test_a_model_embeds_from_python(run: Path, pictures: Path) -> None:
    model = capas.load(run)
    vectors = model.embed([pictures / f"{i:02d}.png" for i in range(3)], batch_size=2)
    np.testing.assert_allclose(
        vectors, encode_contents(open_encoder(str(run)), [pictures / f"{i:02d}.png" for i in range(3)]), atol=1e-5
    )
    assert model.embed([]).shape == (0, 0)
