"""Every kind of model that ONNX can hold answers there as it does in use, on inputs of other sizes than those that it
was exported with; what ONNX cannot hold says why.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from jaxtyping import config
from torch import Tensor

from capas.bundle.export import export_onnx
from capas.core.errors import CapasError
from capas.core.spec import Field, Spec
from capas.data.image.degradations import DegradationKind
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.tabular.columns import Cell, column_from_cells
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing
from capas.data.text.tfidf import TfIdfVectorizer
from capas.data.text.vocabulary import SubwordVocabulary, WordVocabulary
from capas.data.text.word_features import WordFeatures
from capas.decoding.alphabet import Alphabet
from capas.decoding.transcripts import CTCDecoder
from capas.engine.recipe import Item, Predictor
from capas.engine.recipes.audio_frames.network import new_frame_network as frame_network
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.restoration.predictor import RestorationPredictor, RestorerCard
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.shared.spectrograms import AudioPreparation
from capas.engine.recipes.single_output.audio.network import new_spectrogram_cnn as sound_network
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.columns_beside.predictor import ReaderWithColumns
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.single_output.tabular.parts import PartTargets, fit_boosting, fit_forest
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.encodings import (
    SentenceEmbeddings,
    TextEncoding,
    TfidfEncoding,
    TokenIdEncoding,
)
from capas.engine.recipes.single_output.text.export import exportable_texts
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.engine.recipes.token_classification.data import LabelSet
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.engine.recipes.transcription.input_protocol import SequenceInputs
from capas.engine.recipes.transcription.line_images import LineImageInputs
from capas.engine.recipes.transcription.network import PaddedInputAdapter
from capas.engine.recipes.transcription.predictor import TranscriptionPredictor
from capas.engine.recipes.transcription.speech import SpeechInputs as SpeechSide
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.networks.catalog import create_network
from capas.networks.tabular.joint_fusion import JointFusion, JointFusionConfig
from capas.networks.tabular.tabular_blend import TabularBlend, TabularBlendConfig, tree_features
from capas.networks.tabular.tabular_mlp import TabularMLPConfig
from capas.networks.vision.unet import unet
from capas.objectives.regression import TargetScale

HEARD = AudioPreparation(rate=2000, seconds=2.0, num_mels=16, mean=-8.0, std=3.0)
SENTENCES = (("Ana", "vive", "en", "Lugo"), ("Marta", "y", "Ana", "viven", "aquí", "."))
TEXTS = ("the cat sat on the mat", "a dog and a cat", "the dog", "on a mat of the cat")


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """While a network is traced its lengths are symbols, which are no integers to who checks types."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def spec(task: str, kind: str, *, classes: Sequence[str] = ()) -> Spec:
    target = Field(name="y", kind="number", unit="kg") if task == "regress" else Field(name="y", kind="category")
    return Spec(inputs=(Field(name="x", kind=kind),), target=target, task=task, classes=tuple(classes))  # type: ignore[arg-type]


def unlike_new(network: torch.nn.Module) -> torch.nn.Module:
    """As after some training: nothing is zero that was begun as zero, and normalisation has seen batches."""
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=chance))
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) and layer.running_mean is not None:
                layer.running_mean.normal_(0, 0.1, generator=chance)
    return network.eval()


def session_of(
    answering: Predictor, given: Sequence[object], path: Path
) -> tuple[dict[str, object], Callable[..., np.ndarray]]:
    """The description of what was exported, compared on ``given``, and a way to call it."""
    done = export_onnx(answering.exportable(given), path)
    assert 0 <= done.difference <= 1e-4 and done.path == path
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def call(*tensors: Tensor) -> np.ndarray:
        names = [one.name for one in session.get_inputs()]
        (found,) = session.run(None, dict(zip(names, (t.numpy() for t in tensors), strict=True)))
        return np.asarray(found)

    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert [one["name"] for one in facts["inputs"]] == [one.name for one in session.get_inputs()]
    assert facts["output"]["name"] == session.get_outputs()[0].name
    return facts, call


def prepared(answering: Predictor, contents: Sequence[object]) -> list[object]:
    return [answering.preprocess(answering.item(content, i)) for i, content in enumerate(contents)]


def shown(count: int, *size: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *size, channels), dtype=np.uint8)


def test_a_picture_is_given_with_the_numbers_and_categories_of_its_row(tmp_path: Path) -> None:
    preparation = ImagePreprocessing(height=16, width=16, channels=1, mean=(0.4,), std=(0.2,))
    columns = {"age": column_from_cells([20.0, 60.0, None, 40.0]), "sex": column_from_cells(["f", "m", "f", None])}
    rows = TabularPreprocessing.fit(columns)
    fusion = JointFusionConfig(numbers=1, categories=rows.categories, outputs=2, embedding=3, bins=2, mirrored=True)
    content = unlike_new(create_network("two-conv", in_channels=1, num_classes=3, image_size=16))
    network = DataclassInputAdapter(JointFusion(fusion, content, torch.tensor([[-1.0, 0, 1]]))).eval()
    reader = ReaderWithColumns(network, ImageReader(content, preparation), rows, "file")
    model = SingleOutputPredictor(reader, ClassHead(("a", "b")), spec("classify", "image", classes=("a", "b")))
    pictures = shown(3, 16, 16, channels=1)
    cells: list[dict[str, object]] = [{"age": 30.0, "sex": "m"}, {"age": 70.0}, {"sex": "f"}]
    given = [
        reader.preprocess(Item(name="", content={"file": one, **row})) for one, row in zip(pictures, cells, strict=True)
    ]
    facts, call = session_of(model, given, tmp_path / "m.onnx")
    assert [one["name"] for one in facts["inputs"]] == ["pictures", "numbers", "categories"]  # type: ignore[attr-defined]
    batch = reader.collate(given[:2])
    probabilities = call(torch.from_numpy(pictures[:2]).permute(0, 3, 1, 2), batch.numbers, batch.categories)
    expected = [one.probabilities["b"] for one in model.predict(["", ""], given[:2])]
    assert probabilities[:, 1] == pytest.approx(expected, abs=1e-4)


def test_a_number_of_a_picture_comes_in_its_unit(tmp_path: Path) -> None:
    preparation = ImagePreprocessing(height=16, width=16, channels=1, mean=(0.4,), std=(0.2,))
    network = unlike_new(create_network("two-conv", in_channels=1, num_classes=1, image_size=16))
    answers = NumbersHead([Field(name="y", kind="number", unit="kg")], [TargetScale(mean=50_000.0, deviation=700.0)])
    model = SingleOutputPredictor(ImageReader(network, preparation), answers, spec("regress", "image"))
    pictures = shown(3, 16, 16, channels=1)
    facts, call = session_of(model, prepared(model, pictures), tmp_path / "m.onnx")
    found = call(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    wanted = [answer.facts["value"] for answer in model.predict(["a", "b", "c"], prepared(model, pictures))]
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-6)
    assert facts["values"] == [{"name": "y", "unit": "kg"}] and facts["verified"]["unit"] == 700.0


def test_zones_come_as_probabilities_of_every_pixel(tmp_path: Path) -> None:
    preparation = ImagePreprocessing(height=32, width=64, channels=3, fit="squash")
    model = SegmentationPredictor(
        unlike_new(unet(in_channels=3, out_channels=3, width=2)), preparation, ("a", "b", "c")
    )
    pictures = shown(3, 32, 64)
    facts, call = session_of(model, prepared(model, pictures), tmp_path / "m.onnx")
    found = call(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    assert found.shape == (3, 3, 32, 64) and facts["classes"] == ["a", "b", "c"]
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    shares = [np.bincount(one.argmax(0).flatten(), minlength=3) / one[0].size for one in found]
    for share, answer in zip(shares, model.predict(["x"] * 3, prepared(model, pictures)), strict=True):
        assert {name: round(float(s), 6) for name, s in zip("abc", share, strict=True) if s} == answer.facts["shares"]


@pytest.mark.parametrize("kind", ["denoise", "super-resolve", "inpaint", "colourise"])
def test_a_picture_becomes_a_picture_of_any_size(kind: DegradationKind, tmp_path: Path) -> None:
    restorer = RestorerCard(kind=kind, channels=3, scale=2 if kind == "super-resolve" else 1, width=4, noise=25.0)
    model = RestorationPredictor(unlike_new(restorer.network()), restorer)
    picture = shown(1, 32, 48, seed=3)[0]
    if kind == "colourise":
        picture[..., 1:] = picture[..., :1]  # a grey picture comes back from its own lightness
    content = picture
    if kind == "inpaint":
        hole = np.full((32, 48, 1), 255, np.uint8)
        hole[4:9, 7:20] = 0
        content = np.concatenate([picture, hole], 2)
    (own,) = prepared(model, [content])
    facts, call = session_of(model, [own], tmp_path / "m.onnx")
    fed = [torch.from_numpy(picture).permute(2, 0, 1)[None]]
    if kind == "inpaint":
        fed.append((torch.from_numpy(hole).permute(2, 0, 1)[None] < 128).to(torch.uint8))
    (answer,) = model.predict(["p"], [own])
    assert answer.picture is not None
    found = (call(*fed)[0].transpose(1, 2, 0) * 255).round().astype(int)
    assert found.shape == answer.picture.shape and np.abs(found - answer.picture.astype(int)).max() <= 1
    assert facts["kind"] == kind and ("multiples" in facts) == (kind == "colourise")


def test_rows_leave_with_what_encodes_them(tmp_path: Path) -> None:
    cells: dict[str, list[Cell]] = {"size": [1.0, 2.5, None, 4.0] * 5, "colour": ["red", "blue", "red", None] * 5}
    columns = {name: column_from_cells(held) for name, held in cells.items()}
    preparation = TabularPreprocessing.fit(columns)
    torch.manual_seed(0)
    encoded = EncodedRows(numbers=torch.randn(80, 1), categories=torch.randint(3, (80, 1)))
    trees = {}
    for name, fit in (("boosting", fit_boosting), ("forest", fit_forest)):
        seen = tree_features(encoded.numbers, encoded.categories, preparation.categories)
        trees[name] = fit(seen, PartTargets(kind="class", values=(encoded.numbers[:, 0] > 0).long(), outputs=2))
    mlp = TabularMLPConfig(numbers=preparation.numbers, categories=preparation.categories, outputs=2, width=8)
    sizes = {name: part.config for name, part in trees.items()}
    blend = TabularBlend(TabularBlendConfig(mlp=mlp, output="class", trees=sizes, linear=True))
    network = unlike_new(DataclassInputAdapter(blend))
    for name, part in trees.items():
        blend.trees[name] = part
    blend.shares.copy_(torch.tensor([0.3, 0.3, 0.2, 0.2]))
    blend.mlp.edges.copy_(torch.linspace(-1, 1, 17).expand(1, -1))
    model = SingleOutputPredictor(
        TabularReader(network.eval(), preparation), ClassHead(("no", "yes"), 1.7),
        spec("classify", "number", classes=("no", "yes")),
    )  # fmt: skip
    rows = prepared(model, [{"size": 3.0, "colour": "blue"}, {"size": None, "colour": "green"}, {"colour": "red"}])
    facts, call = session_of(model, rows, tmp_path / "m.onnx")
    assert TabularPreprocessing.from_json(facts["preparation"]) == preparation and facts["classes"] == ["no", "yes"]
    for row, answer in zip(rows, model.predict(["a", "b", "c"], rows), strict=True):
        np.testing.assert_allclose(call(row.numbers, row.categories)[0], list(answer.probabilities.values()), atol=1e-5)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        TfidfEncoding(TfIdfVectorizer.fit(TEXTS, longest=1, min_texts=1)),
        TokenIdEncoding(WordVocabulary.learn(TEXTS, min_count=1)),
    ],
)
def test_texts_leave_with_their_vocabulary(code: TextEncoding, tmp_path: Path) -> None:
    name = "text-linear" if isinstance(code, TfidfEncoding) else "text-cnn"
    network = DataclassInputAdapter(code.network(name, 2, 8))
    classes = ("x", "y")
    model = SingleOutputPredictor(
        TextReader(unlike_new(network), code), ClassHead(classes), spec("classify", "text", classes=classes)
    )
    facts, call = session_of(model, ["a dog on the mat", "cat"], tmp_path / "m.onnx")
    kept = json.loads((tmp_path / str(facts["vocabulary"])).read_text(encoding="utf-8"))
    assert facts["vocabulary"] == "m.vocabulary.json" and kept == json.loads(json.dumps(code.as_json()))
    others = ["the dog sat", "cat", "on a mat a dog"]
    given = code.encode(others)
    found = call(*(getattr(given, name) for name in given.__dataclass_fields__))
    wanted = [list(one.probabilities.values()) for one in model.predict(["a"] * 3, others)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_sounds_leave_with_their_spectrograms_inside(tmp_path: Path) -> None:
    network, classes = unlike_new(sound_network(HEARD.num_mels, 3, 4)), ("a", "b", "c")
    model = SingleOutputPredictor(
        AudioReader(network, HEARD), ClassHead(classes), spec("classify", "audio", classes=classes)
    )
    waves = [np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32) for n in (999, 1500)]
    facts, call = session_of(model, waves, tmp_path / "m.onnx")
    assert facts["preparation"]["rate"] == 2000 and facts["verified"]["examples"] == 2
    for wave in waves:
        (answer,) = model.predict(["s"], [wave])
        np.testing.assert_allclose(
            call(torch.from_numpy(wave)[None])[0], list(answer.probabilities.values()), atol=1e-4
        )


@pytest.mark.parametrize("side", [LineImageInputs(height=16), SpeechSide(preparation=HEARD)])
def test_what_is_read_comes_as_probabilities_of_every_frame(side: SequenceInputs, tmp_path: Path) -> None:
    alphabet = Alphabet(characters="añ o")
    network = PaddedInputAdapter(side.network(alphabet.num_labels, 4, 6))
    model = TranscriptionPredictor(unlike_new(network), side, CTCDecoder(alphabet=alphabet))
    chance = np.random.default_rng(0)
    contents: list[np.ndarray] = [shown(1, 16, width, channels=1)[0, ..., 0] for width in (61, 130)]
    if isinstance(side, SpeechSide):
        contents = [chance.normal(0, 0.1, n).astype(np.float32) for n in (801, 2000)]
    held = prepared(model, contents)
    facts, call = session_of(model, held, tmp_path / "m.onnx")
    assert facts["alphabet"] == "añ o" and facts["verified"]["examples"] == 2
    for one in held:
        values = one.values  # type: ignore[attr-defined]
        (logits,) = model.logits([values])
        np.testing.assert_allclose(call(values[None])[0], logits.log_softmax(1).numpy(), atol=1e-4)


def test_words_leave_as_scores_with_the_rules_of_their_labels(tmp_path: Path) -> None:
    code, labels = WordFeatures.fit(SENTENCES), LabelSet(("O", "B-PER", "I-PER"))
    network = unlike_new(labels.network(code, 6))
    model = TokenClassificationPredictor(network, code, labels, 500)
    facts, call = session_of(model, [SENTENCES], tmp_path / "m.onnx")
    kept = json.loads((tmp_path / str(facts["vocabulary"])).read_text(encoding="utf-8"))
    again = WordFeatures.from_json(kept)
    for words in (*SENTENCES, ("Ana",)):
        given = again.encode([words])
        scores = torch.from_numpy(call(given.words, given.characters, given.features))
        assert labelled(scores[0], facts) == [word.label for word in model._label([words])[0]]


def labelled(scores: Tensor, facts: dict[str, object]) -> list[str]:
    """Viterbi by what the description says alone, over all paths: sentences here are short."""
    rules = {
        name: torch.tensor(facts[name]) for name in ("transitions", "start", "end", "forbidden", "forbidden_start")
    }
    names = facts["labels"]
    assert isinstance(names, list)
    paths = torch.cartesian_prod(*[torch.arange(len(names))] * len(scores)).view(-1, len(scores))
    totals = scores[torch.arange(len(scores)), paths].sum(1) + rules["start"][paths[:, 0]] + rules["end"][paths[:, -1]]
    totals = totals + rules["transitions"][paths[:, :-1], paths[:, 1:]].sum(1)
    banned = rules["forbidden_start"][paths[:, 0]] | rules["forbidden"][paths[:, :-1], paths[:, 1:]].any(1)
    return [names[k] for k in paths[totals.masked_fill(banned, -torch.inf).argmax()].tolist()]


def test_what_is_when_comes_for_every_frame(tmp_path: Path) -> None:
    model = AudioFramesPredictor(unlike_new(frame_network(HEARD.num_mels, 2, 4, 6)), HEARD, ("none", "speech"), 3)
    waves = [np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32) for n in (1001, 1500)]
    facts, call = session_of(model, waves, tmp_path / "m.onnx")
    assert facts["shortest_frames"] == 3 and facts["classes"] == ["none", "speech"]
    for wave in waves:
        (wanted,) = model._probabilities([torch.from_numpy(wave)])
        np.testing.assert_allclose(call(torch.from_numpy(wave)[None])[0], wanted.numpy(), atol=1e-4)


def test_a_translator_is_refused_with_the_reason() -> None:
    vocabulary = SubwordVocabulary.from_json({"kind": "subwords", "characters": ["a"], "merges": []})
    model = TranslationPredictor(torch.nn.Linear(1, 1), vocabulary, 9, 1, 1.0)
    with pytest.raises(CapasError, match="one after another") as caught:
        model.exportable([])
    assert caught.value.key == "export_not_possible"


class VectorsOfTexts:
    """As a frozen encoder gives them."""

    def encode(self, texts: Sequence[str]) -> SentenceEmbeddings:
        return SentenceEmbeddings(embeddings=torch.zeros(len(texts), 4))

    def as_json(self) -> dict[str, object]:
        return {"kind": "minilm"}


def test_vectors_of_another_network_are_refused_with_the_reason() -> None:
    with pytest.raises(CapasError, match="licence") as caught:
        exportable_texts(torch.nn.Linear(4, 2), VectorsOfTexts(), ["a"])
    assert caught.value.key == "export_not_possible"
