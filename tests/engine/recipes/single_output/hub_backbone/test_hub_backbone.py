"""Heads on tiny random models in Hugging Face's format: what they learn, what their bundle holds, what is refused."""

import csv
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file

import capas
from capas.baselines.logistic_regression import fit_logistic_weights
from capas.core.errors import CapasError
from capas.engine.encoders.encoder import encode_contents
from capas.engine.predict import load_model
from capas.engine.recipes.single_output.hub_backbone import data, fine_tuning
from capas.engine.recipes.single_output.hub_backbone.reference import open_referenced
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.representation.encoders import open_encoder
from tests.harness import FIXED, train_here
from tests.made_hub_models import save_bert, save_clip, save_vit, save_wav2vec2

pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")
STILL = {**FIXED, "network.width": "auto", "train.batch_size": 16, "optim.backbone_rate": 0.0}  # frozen


def save_images(folder: Path, count: int = 24) -> Path:
    """Images of 40×48 pixels in two classes: light above, or light below, on noise."""
    rng = np.random.default_rng(0)
    for name, rows in (("above", slice(0, 20)), ("below", slice(20, 40))):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 90, (40, 48, 3), dtype=np.uint8)
            pixels[rows] += 120
            Image.fromarray(pixels).save(folder / name / f"{i:02d}.png")
    return folder


def save_shades(folder: Path) -> Path:
    """Images of one shade in two classes, dark or light: even random weights tell them apart."""
    rng = np.random.default_rng(0)
    for name, least in (("dark", 0), ("light", 200)):
        (folder / name).mkdir(parents=True)
        for i in range(16):
            pixels = rng.integers(least, least + 56, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:02d}.png")
    return folder


def save_texts(path: Path) -> Path:
    """Texts of three to eight words, half with more of "hello", half with more of "moon"."""
    rng = np.random.default_rng(0)
    rows = set()
    while len(rows) < 48:
        label = ("hello", "moon")[len(rows) % 2]
        rows.add((" ".join([label, *rng.choice(["world", label], rng.integers(2, 8))]), label))
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("sentence", "about"), *sorted(rows)])
    return path


def save_sounds(folder: Path) -> Path:
    """Sounds of a tenth of a second in two classes: a low tone or a high one, in noise."""
    rng = np.random.default_rng(0)
    for name, hertz in (("low", 200), ("high", 2000)):
        (folder / name).mkdir(parents=True)
        for i in range(16):
            wave = np.sin(2 * np.pi * hertz * np.arange(1600 + 10 * i) / 16000) + rng.normal(0, 0.3, 1600 + 10 * i)
            soundfile.write(folder / name / f"{i}.wav", 0.3 * wave, 16000)
    return folder


def told_by(run: Path, column: str) -> dict[str, str]:
    """A column of the predictions that a run made of its test examples."""
    with (run / "predictions.csv").open(encoding="utf-8") as stream:
        return {row["example"]: row[column] for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, texts, and a finished run on the images."""
    folder = tmp_path_factory.mktemp("backbone")
    save_images(folder / "images")
    vit = save_vit(folder / "vit")
    (vit / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n")
    train_here(folder / "images", folder / "run", {**STILL, "network.name": f"hf:{vit}", "train.epochs": 60})
    return folder


def test_the_bundle_of_images_holds_the_head_and_a_reference(root: Path) -> None:
    bundle = root / "run" / "bundle"
    assert set(load_file(bundle / "model.safetensors")) == {"centre", "length", "linear.weight", "linear.bias"}
    reference = json.loads((bundle / "preparation.json").read_text())
    encoder = open_encoder(f"hf:{root / 'vit'}")
    assert reference == {"kind": "hub", "name": f"hf:{root / 'vit'}", "fingerprint": encoder.fingerprint}
    card = load_model(root / "run").card
    assert card.network.name == "hf:vit"  # not where it lies
    assert card.network.settings["licence"] == "apache-2.0"
    assert card.weights.started_from == "hf:vit (frozen)"
    assert card.headline[1].value >= 0.85


def test_predictions_are_the_head_on_the_vectors_of_embed(root: Path) -> None:
    model = load_model(root / "run")
    paths = sorted((root / "images").rglob("*.png"))[::7]
    vectors = torch.from_numpy(encode_contents(open_encoder(f"hf:{root / 'vit'}"), paths))
    head = load_file(root / "run" / "bundle" / "model.safetensors")
    logits = (vectors - head["centre"]) / head["length"] @ head["linear.weight"].T + head["linear.bias"]
    assert isinstance(model.predictor, SingleOutputPredictor)
    expected = model.predictor.output_head.activate(logits)
    found = [[one.probabilities[name] for name in model.classes] for one in model.predict(paths)]
    torch.testing.assert_close(torch.tensor(found), expected, atol=1e-4, rtol=0)


def test_the_head_is_a_logistic_regression_on_the_vectors_of_embed(root: Path, tmp_path: Path) -> None:
    encoder = open_encoder(f"hf:{save_bert(tmp_path / 'bert', seed=3)}")
    texts = save_texts(tmp_path / "texts.csv")
    settings = {
        **STILL, "network.name": encoder.name, "data.target": "about", "data.validation": 0.0, "train.batch_size": 64,
        "train.epochs": 500, "optim.ema": 0.0, "objective.label_smoothing": 0.0,
    }  # fmt: skip
    run = train_here(texts, tmp_path / "run", settings)
    record = json.loads((run / "data.json").read_text())
    with texts.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    train = [i for i, (_, _, _, split) in enumerate(record["examples"]) if split == "train"]
    vectors = torch.from_numpy(encode_contents(encoder, [row["sentence"] for row in rows]))
    scaled = (vectors - vectors[train].mean(0)) / (vectors[train] - vectors[train].mean(0)).square().mean().sqrt()
    labels = torch.tensor([["hello", "moon"].index(row["about"]) for row in rows])
    # Of two classes scikit-learn penalises one row of weights, where the head has two of half the size: C is doubled.
    weight, bias = fit_logistic_weights(scaled[train], labels[train], 2, c=2.0, steps=1000)
    expected = (scaled @ weight + bias).softmax(1)[:, 1]
    model = load_model(run)
    found = torch.tensor([one.probabilities["moon"] for one in model.predict([row["sentence"] for row in rows])])
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_a_missing_or_changed_encoder_is_told(root: Path, tmp_path: Path) -> None:
    vit = save_vit(tmp_path / "vit")
    shutil.copytree(root / "images", tmp_path / "images")
    run = train_here(tmp_path / "images", tmp_path / "run", {**STILL, "network.name": f"hf:{vit}", "train.epochs": 1})
    save_vit(vit, seed=1)
    with pytest.raises(CapasError) as refused:
        load_model(run)
    assert refused.value.key == "hub_backbone_changed", str(refused.value)
    shutil.rmtree(vit)
    with pytest.raises(CapasError) as refused:
        load_model(run)
    assert refused.value.key == "hub_backbone_missing", str(refused.value)


def test_a_model_of_another_medium_and_what_a_frozen_encoder_cannot_do_are_refused(root: Path, tmp_path: Path) -> None:
    bert, vit = save_bert(tmp_path / "bert"), root / "vit"
    for settings, key in (
        ({"network.name": f"hf:{bert}"}, "hub_other_medium"),
        ({"network.name": f"hf:{vit}", "augment.mixup": 0.2}, "hub_no_augmentation"),
        ({"network.name": f"hf:{vit}", "network.width": 8}, "network_without_width"),
        ({"network.name": f"hf:{vit}", "network.init_from": str(root / "run")}, "hub_not_with"),
    ):
        with pytest.raises(CapasError) as refused:
            capas.plan(root / "images", settings=settings)
        assert refused.value.key == key, str(refused.value)


def test_a_joint_model_gives_its_tower_of_the_medium(root: Path, tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip")
    run = train_here(root / "images", tmp_path / "run", {**STILL, "network.name": f"hf:{clip}", "train.epochs": 1})
    assert load_model(run).card.network.settings["features"] == 8


def test_the_plan_says_what_is_learnt(root: Path) -> None:
    resolved = capas.plan(root / "images", settings={"network.name": f"hf:{root / 'vit'}"})
    (reason,) = [one for one in resolved.resolved.reasons if "ViTModel" in one]
    assert "apache-2.0" in reason
    assert "16 numbers" in reason


def test_the_whole_network_of_images_is_exported(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    exported = load_model(root / "run").export(tmp_path / "model.onnx")
    assert exported.difference < 1e-4


def test_sounds_are_learnt_and_heard_as_embed_hears_them(tmp_path: Path) -> None:
    encoder = open_encoder(f"hf:{save_wav2vec2(tmp_path / 'wav2vec2')}")
    save_sounds(tmp_path / "sounds")
    run = train_here(
        tmp_path / "sounds", tmp_path / "run", {**STILL, "network.name": encoder.name, "train.epochs": 60}
    )  # fmt: skip
    model, paths = load_model(run), [tmp_path / "sounds" / name / "3.wav" for name in ("high", "low")]
    head = load_file(run / "bundle" / "model.safetensors")
    vectors = (torch.from_numpy(encode_contents(encoder, paths)) - head["centre"]) / head["length"]
    assert isinstance(model.predictor, SingleOutputPredictor)
    expected = model.predictor.output_head.activate(vectors @ head["linear.weight"].T + head["linear.bias"])
    answers = model.predict(paths)
    found = [[one.probabilities[name] for name in model.classes] for one in answers]
    torch.testing.assert_close(torch.tensor(found), expected, atol=1e-4, rtol=0)
    assert [one.prediction for one in answers] == ["high", "low"]


def test_a_resumed_run_encodes_nothing_again_and_refuses_another_encoder(root: Path, tmp_path: Path) -> None:
    vit, run = save_vit(tmp_path / "vit"), tmp_path / "run"
    settings = {**STILL, "network.name": f"hf:{vit}", "train.epochs": 20}
    whole = train_here(root / "images", tmp_path / "whole", settings)
    shutil.copytree(whole, run)
    shutil.rmtree(run / "bundle")
    for path in (run / "metrics.json", *run.glob("checkpoints/*"), *run.glob("*.safetensors")):
        path.unlink(missing_ok=True)
    kept = {path: path.stat().st_mtime_ns for path in (run / "cache" / "vectors").iterdir()}
    assert capas.resume(run) is not None
    assert {path: path.stat().st_mtime_ns for path in (run / "cache" / "vectors").iterdir()} == kept
    weights = [(one / "bundle" / "model.safetensors").read_bytes() for one in (whole, run)]
    assert weights[0] == weights[1]
    shutil.rmtree(run / "bundle")
    (run / "metrics.json").unlink()
    save_vit(vit, seed=1)
    with pytest.raises(CapasError) as refused:
        capas.resume(run)
    assert refused.value.key == "hub_backbone_changed", str(refused.value)


def test_a_fine_tuned_encoder_is_in_the_bundle_and_opens_without_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tiny random model learns nothing in three epochs at the rate that real ones take.
    monkeypatch.setattr(data, "fine_tune", partial(fine_tuning.fine_tune, learning_rate=0.1))
    bert, texts = save_bert(tmp_path / "bert"), save_texts(tmp_path / "texts.csv")
    settings = {
        **STILL, "network.name": f"hf:{bert}", "data.target": "about", "train.epochs": 2, "optim.backbone_rate": 0.1,
        "optim.learning_rate": 1e-4, "data.validation": 0.3,
    }  # fmt: skip
    run = train_here(texts, tmp_path / "run", settings)
    shutil.rmtree(bert)
    model = load_model(run)
    assert model.card.network.settings["frozen"] is False
    assert "fine-tuned: validation loss" in model.card.network.paper
    told = json.loads((run / "metrics.json").read_text())["fine_tuning"]
    assert told["kept"] is True
    assert told["tuned_loss"] < told["frozen_loss"]
    with (run / "predictions.csv").open(encoding="utf-8") as stream:
        expected = {row["example"]: float(row["p(moon)"]) for row in csv.DictReader(stream)}
    with texts.open(encoding="utf-8") as stream:
        sentences = [row["sentence"] for row in csv.DictReader(stream)]
    record = json.loads((run / "data.json").read_text())["examples"]
    tested = [(name, sentences[i]) for i, (name, _, _, split) in enumerate(record) if split == "test"]
    answers = model.predict([sentence for _, sentence in tested])
    for (name, _), answer in zip(tested, answers, strict=True):
        assert answer.probabilities["moon"] == pytest.approx(expected[name], abs=1e-4)


@pytest.mark.parametrize(("medium", "save"), [("image", save_vit), ("audio", save_wav2vec2)])
def test_a_fine_tuned_encoder_of_files_answers_the_same_once_it_is_opened_again(
    medium: str, save: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "fine_tune", partial(fine_tuning.fine_tune, learning_rate=0.03))
    folder = save_shades(tmp_path / "data") if medium == "image" else save_sounds(tmp_path / "data")
    encoder = save(tmp_path / "encoder")
    settings = {
        **STILL, "network.name": f"hf:{encoder}", "train.epochs": 2, "optim.backbone_rate": 0.1,
        "optim.learning_rate": 1e-4, "data.validation": 0.3,
    }  # fmt: skip
    run = train_here(folder, tmp_path / "run", settings)
    assert json.loads((run / "metrics.json").read_text())["fine_tuning"]["kept"] is True
    before, saved = (load_file(one / "model.safetensors") for one in (encoder, run / "bundle"))
    assert not all(torch.equal(tensor, saved[f"features.model.{name}"]) for name, tensor in before.items())
    shutil.rmtree(encoder)
    model = load_model(run)
    column = f"p({model.classes[0]})"
    expected = told_by(run, column)
    answers = model.predict([folder / name for name in expected])
    assert len(answers) > 3
    for answer, told in zip(answers, expected.values(), strict=True):
        assert answer.probabilities[model.classes[0]] == pytest.approx(float(told), abs=1e-4)


def test_numbers_and_tags_are_learnt_on_vectors(tmp_path: Path) -> None:
    bert, texts = save_bert(tmp_path / "bert"), save_texts(tmp_path / "texts.csv")
    with texts.open(encoding="utf-8") as stream:
        sentences = [row["sentence"] for row in csv.DictReader(stream)]
    counts = [sentence.split().count("world") + 0.5 for sentence in sentences]
    tags = ["|".join(word for word in ("hello", "world", "moon") if word in one) for one in sentences]
    for target, task, values, column in (
        ("worlds", "regress", counts, "predicted worlds"), ("words", "tag", tags, "p(moon)"),
    ):  # fmt: skip
        table = tmp_path / f"{target}.csv"
        with table.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("sentence", target), *zip(sentences, values, strict=True)])
        settings = {**STILL, "network.name": f"hf:{bert}", "data.target": target, "train.epochs": 60}
        run = train_here(table, tmp_path / target, settings)
        model, told = load_model(run), {name: float(value) for name, value in told_by(run, column).items()}
        record = json.loads((run / "data.json").read_text())["examples"]
        tested = [sentences[i] for i, (_, _, _, split) in enumerate(record) if split == "test"]
        found = [
            one.prediction if task == "regress" else one.probabilities["moon"] for one in model.predict(tested)
        ]  # fmt: skip
        assert model.card.task == task
        assert found == pytest.approx(list(told.values()), abs=1e-4)
        aim = [counts[sentences.index(one)] if task == "regress" else float("moon" in one) for one in tested]
        assert np.corrcoef(list(told.values()), aim)[0, 1] > 0.5


def test_columns_beside_the_files_are_learnt_with_the_vectors(root: Path, tmp_path: Path) -> None:
    rows = [(f"images/{path.parent.name}/{path.name}", path.stem, path.parent.name)
            for path in sorted((root / "images").rglob("*.png"))]  # fmt: skip
    with (root / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("file", "number", "label"), *rows])
    settings = {**STILL, "network.name": f"hf:{root / 'vit'}", "data.target": "label", "train.epochs": 1}
    run = train_here(root / "table.csv", tmp_path / "run", settings)
    assert not [name for name in load_file(run / "bundle" / "model.safetensors") if "features" in name]
    with (run / "predictions.csv").open(encoding="utf-8") as stream:
        told = {row["example"]: float(row["p(above)"]) for row in csv.DictReader(stream)}
    model = load_model(run)
    for name, expected in told.items():
        path = root / "images" / Path(name).parent.name / Path(name).name
        (answer,) = model.predict([{"file": path, "number": path.stem}])
        assert answer.probabilities["above"] == pytest.approx(expected, abs=1e-4)


def test_texts_have_no_onnx_form(tmp_path: Path) -> None:
    bert = save_bert(tmp_path / "bert")
    settings = {**STILL, "network.name": f"hf:{bert}", "data.target": "about", "train.epochs": 1}
    run = train_here(save_texts(tmp_path / "texts.csv"), tmp_path / "run", settings)
    with pytest.raises(CapasError) as refused:
        load_model(run).export(tmp_path / "model.onnx")
    assert refused.value.key == "export_not_possible"


def test_opening_a_bundle_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked: list[bool] = []

    def hub(name: str, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append(local_files_only)
        raise LocalEntryNotFoundError("not here")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    tree = {"kind": "hub", "name": "hf:stranger/model", "fingerprint": "0" * 32}
    with pytest.raises(CapasError) as refused:
        open_referenced(tree, "image", tmp_path)
    assert refused.value.key == "hub_backbone_missing" and asked == [True]
