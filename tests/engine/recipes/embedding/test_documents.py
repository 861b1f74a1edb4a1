"""Learning to embed texts without labels: from a folder or a table to codes."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import capas
from capas.bundle.read import read_bundle
from capas.core.errors import CapasError
from capas.core.spec import Field, Spec
from capas.data.naming import SplitName
from capas.engine.distributed import Ranks
from capas.engine.encoders.encoder import encode_contents
from capas.engine.predict import load_model
from capas.engine.recipes.embedding.documents import DocumentInputs
from capas.engine.recipes.embedding.encoders import DocumentEncoderSettings, document_encoder
from capas.engine.recipes.embedding.learn import EmbeddingJob, PlainBatch
from capas.engine.recipes.embedding.objectives import METHODS, Pretext
from capas.objectives.autoencoding import Autoencoding, Corruption
from capas.representation.encoders import open_encoder
from capas.trust.subjects.embedding import document_probes
from tests.engine.recipes.made_work import texts_of, work_of

SMALL: Mapping[str, object] = {
    "data.task": "embed", "train.epochs": 2, "train.batch_size": 16, "text.vocab_size": 300, "network.code": 4,
    "execution.threads": 1, "execution.precision": "float32", "execution.memory_format": "contiguous",
    "trust.report": "none",
}  # fmt: skip
SPEC = Spec(inputs=(Field(name="text", kind="text"),), target=None, task="embed")
SUBJECTS = (
    ["ship", "harbour", "sail", "captain", "wind", "storm", "anchor", "deck"],
    ["oven", "bread", "flour", "yeast", "crust", "baker", "dough", "salt"],
)


def texts(count: int = 60) -> list[str]:
    """Texts of eight words on one of two subjects."""
    rng = np.random.default_rng(0)
    return [f"the text says {' '.join(rng.choice(SUBJECTS[i % 2], 8))} number{i}" for i in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty text files, and one without a word to know."""
    place = tmp_path_factory.mktemp("texts")
    for i, text in enumerate([*texts(), "zzz qqq www"]):
        (place / f"{i:02d}.txt").write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "texts"
    capas.train(folder, out=out, settings=SMALL)
    return out


def test_a_folder_of_texts_becomes_an_encoder(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["metrics"]) == ["view_recall", "squared_error", "word_cross_entropy"]
    assert set(metrics["baseline"]) == {"pca", "lsa", "untrained"}
    assert metrics["metrics"]["word_cross_entropy"]["value"] < 6 and metrics["word_cross_entropy_of_frequencies"]
    card = read_bundle(run / "bundle").card
    assert card.network.name == "deep-autoencoder" and card.medium == "text" and card.network.settings["code"] == 4
    kept = json.loads((run / "bundle" / "preparation.json").read_text())["words"]
    # Those of the training texts only: half of the texts say "ship" or "oven", all say "the".
    assert {"ship", "oven"} <= set(kept) and "the" not in kept and len(kept) < 16 + 60


def test_vectors_are_the_same_from_every_door(run: Path) -> None:
    asked = texts(3)
    vectors = encode_contents(open_encoder(str(run)), asked)
    assert vectors.shape == (3, 4)
    model = capas.load(run)
    np.testing.assert_allclose(model.embed(asked, batch_size=2), vectors, atol=1e-5)
    np.testing.assert_allclose([one.prediction for one in model.predict(asked)], vectors, atol=1e-5)
    # A text counts by its shares: twice the same is the same.
    np.testing.assert_allclose(model.embed([f"{asked[0]} {asked[0]}"])[0], vectors[0], atol=1e-5)


def test_what_has_no_known_word_is_refused_in_words(run: Path, folder: Path, tmp_path: Path) -> None:
    unknown, known = capas.load(run).predict(["xyz abc", "ship"])
    assert unknown.prediction is None and unknown.refused is not None and "none of the" in unknown.refused
    assert known.refused is None
    vectors = capas.embed(folder, tmp_path / "vectors", network=run)
    assert len(vectors.items) == 60 and np.isfinite(vectors.matrix).all()


def test_a_table_is_tested_and_mapped(run: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.jsonl"
    lines = [*texts(90)[60:], "nothing known zz"]
    table.write_text("\n".join(json.dumps({"body": t, "n": i}) for i, t in enumerate(lines)), encoding="utf-8")
    seen = capas.look(table, settings={"data.task": "embed"})
    assert "body" in seen.detection.evidence[0] and seen.detection.spec.medium == "text"
    figures = capas.test(run, data=str(table))
    assert figures["metrics"]["view_recall"]["n"] == 30  # type: ignore[index]
    assert "word_cross_entropy" in figures["metrics"]  # type: ignore[operator]
    assert capas.map(table, network=run, method="pca").positions.shape == (30, 2)
    capas.index(table, tmp_path / "index", network=run)
    found = capas.similar(tmp_path / "index", "#1", k=2).items[0]
    assert len(found) == 2


def test_counts_to_codes_in_onnx(run: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = load_model(run)
    exported = model.export(tmp_path / "encoder.onnx", texts(2))
    assert exported.difference < 1e-4
    assert model.export(tmp_path / "other.onnx").compared == 4
    described = json.loads((tmp_path / "encoder.json").read_text())
    words = json.loads((tmp_path / described["vocabulary"]).read_text())["words"]
    given = np.array([[text.split().count(word) for word in words] for text in texts(2)], dtype=np.float32)
    (codes,) = runtime.InferenceSession(tmp_path / "encoder.onnx").run(None, {"counts": given})
    np.testing.assert_allclose(codes, model.embed(texts(2)), atol=1e-4)
    assert described["inputs"][0]["name"] == "counts" and described["inputs"][0]["shape"][1] == len(words)


def test_what_cannot_be_learnt_is_refused(folder: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    for data, settings, key in (
        (tmp_path / "rows.csv", {}, "embed_wants_files"),
        (folder, {"method.name": "simclr"}, "method_not_for_medium"),
        (folder, {"network.name": "compact"}, "network_not_for"),
        (folder, {"network.init_from": str(run)}, "init_from_not_here"),
    ):
        with pytest.raises(CapasError) as refused:
            capas.plan(data, settings={"data.task": "embed", **settings})
        assert refused.value.key == key
    with pytest.raises(CapasError) as refused:
        capas.plan(folder, settings={"data.task": "embed", "method.name": "byol"})
    assert refused.value.part("expected") == "one of autoencoder, denoising"


def test_words_are_rebuilt_as_a_distribution_and_hidden_without_noise() -> None:
    encoder = document_encoder(DocumentEncoderSettings(words=9, code=2))
    objective = METHODS["denoising"].build(Pretext(encoder=encoder, feature_dim=2, shape=(9,)))
    assert isinstance(objective, Autoencoding)
    assert objective.kind == "multinomial" and objective.corruption == Corruption(masked=0.5)
    torch.testing.assert_close(encoder.reconstruct(torch.eye(9)).sum(1), torch.ones(9))


def test_texts_to_probe_with() -> None:
    words = ("ship", "oven", "bread")
    probes = document_probes(["one two three", "four"], words, torch.Generator().manual_seed(0))
    assert [len(text.split()) for text in probes["random_words"]] == [3, 1]
    assert {word for text in probes["random_words"] for word in text.split()} <= set(words)
    assert [len(text) for text in probes["noise"]] == [13, 4] and not set(probes["noise"][0].split()) & set(words)


def test_a_job_made_again_goes_on_where_the_first_one_was() -> None:
    settings = {"text.vocab_size": 300, "network.name": "deep-autoencoder", "network.code": 2,
                "method.name": "denoising", "train.batch_size": 4, "train.epochs": 3}  # fmt: skip
    parts: list[SplitName] = ["train"] * 16 + ["test"] * 4 + ["train"]
    work = work_of(texts_of([*texts(20), "? !"]), SPEC, parts, settings)  # fmt: skip
    first, again = (EmbeddingJob(work, DocumentInputs.prepare(work), Ranks()) for _ in range(2))
    ours, theirs = first.batches.batch(5), again.batches.batch(5)
    assert isinstance(ours, PlainBatch) and isinstance(theirs, PlainBatch)
    torch.testing.assert_close(ours.inputs, theirs.inputs, rtol=0, atol=0)
    torch.testing.assert_close(ours.inputs.sum(1), torch.ones(4))
    for name, weights in first.objective.networks["autoencoder"].state_dict().items():
        torch.testing.assert_close(weights, again.objective.networks["autoencoder"].state_dict()[name])
    assert first.batches.examples == 16  # the last one has no word


def test_too_few_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for count, key in ((1, "unlearnable"), (5, "too_few_to_compare")):
        for i, text in enumerate(texts(count)):
            (tmp_path / "one" / f"{i}.txt").write_text(text)
        with pytest.raises(CapasError) as refused:
            capas.train(tmp_path / "one", out=tmp_path / "run", settings=SMALL)
        assert refused.value.key == key
    work = work_of(texts_of(["? !", "ship", "oven"]), SPEC, ["train", "test", "test"],
                   {"text.vocab_size": 300, "network.code": 2})  # fmt: skip
    with pytest.raises(CapasError) as refused:
        DocumentInputs.prepare(work)
    assert refused.value.key == "no_words_to_learn"


@pytest.mark.parametrize("method", ["denoising", "autoencoder"])
def test_other_ways_to_learn(method: str, folder: Path, tmp_path: Path) -> None:
    tied = method == "denoising"
    settings = {**SMALL, "method.name": method, "network.tied": tied, "network.layer_wise": not tied,
                "train.epochs": 1, "network.code": 2}  # fmt: skip
    result = capas.train(folder, out=tmp_path / "run", settings=settings)
    assert result is not None
    assert encode_contents(open_encoder(str(tmp_path / "run")), texts(2)).shape == (2, 2)
