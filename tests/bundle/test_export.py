"""An exported model answers as torch does, for any number of pictures; one that does not is not written."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from capas.bundle import export
from capas.bundle.export import Exportable, export_onnx
from capas.bundle.export_wrappers import ProbabilityOutput
from capas.core.errors import CapasError
from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.predict import Model, load_model
from capas.engine.recipes.shared.image_export import exportable_images
from capas.networks.catalog import create_network


@pytest.fixture(scope="module")
def model(finished_run: Path) -> Model:
    return load_model(finished_run)


def shape_of(model: Model) -> tuple[int, int, int]:
    return ImagePreprocessing.from_json(exported(model).facts["preparation"]).shape  # type: ignore[arg-type]


def exported(model: Model) -> Exportable:
    return model.predictor.exportable(())


def classifier(
    network: torch.nn.Module, preparation: ImagePreprocessing, pictures: torch.Tensor, *, tags: bool
) -> Exportable:
    raw = exportable_images(network, preparation, list(pictures))
    whole = ProbabilityOutput(raw.network, exclusive=not tags)
    return replace(raw, network=whole, output="probabilities", axes=("batch", 3))


def probabilities(model: Model, pictures: torch.Tensor) -> np.ndarray:
    """What ``predict`` answers, which shares no code with the exported network."""
    found = model.predict([picture.permute(1, 2, 0).numpy() for picture in pictures])
    return np.array([[answer.probabilities[name] for name in model.classes] for answer in found])


@pytest.fixture(scope="module")
def made(model: Model) -> bytes:
    return export.onnx_bytes(exported(model))


@pytest.fixture
def quick(made: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds: once is enough where something else is tested."""
    monkeypatch.setattr(export, "onnx_bytes", lambda exportable: made)


def answers(path: Path, pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"pictures": pictures})
    return np.asarray(found)


def noise(n: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def test_the_default_network_answers_the_same_for_any_batch(model: Model, tmp_path: Path) -> None:
    done = model.export(tmp_path / "shapes.onnx")
    assert done.path == tmp_path / "shapes.onnx" and done.compared == 16 and 0 <= done.difference <= 1e-4
    onnx.checker.check_model(onnx.load(done.path), full_check=True)
    for n in (1, 2, 7):
        pictures = noise(n, shape_of(model))
        assert np.abs(answers(done.path, pictures.numpy()) - probabilities(model, pictures)).max() <= 1e-4


@pytest.mark.usefixtures("quick")
def test_the_file_beside_it_says_how_to_prepare_pictures(model: Model, tmp_path: Path) -> None:
    model.export(tmp_path / "m.onnx", [np.zeros((9, 9, 3), np.uint8)] * 3)
    facts = json.loads((tmp_path / "m.json").read_text())
    assert facts["classes"] == model.classes and facts["verified"]["examples"] == 3
    assert facts["inputs"][0]["shape"] == ["batch", 3, 32, 32] and facts["output"]["shape"] == ["batch", 3]
    assert ImagePreprocessing.from_json(facts["preparation"]).as_json() == exported(model).facts["preparation"]
    inputs = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"]).get_inputs()
    assert [(i.name, i.type) for i in inputs] == [("pictures", "tensor(uint8)")]
    assert inputs[0].shape[1:] == [3, 32, 32] and isinstance(inputs[0].shape[0], str)


@pytest.mark.slow
def test_efficientnet_lite0_answers_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create_network("efficientnet-lite0", in_channels=3, num_classes=3, image_size=32).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d) and layer.running_mean is not None:
            layer.running_mean.normal_(0, 0.1)
    preparation = ImagePreprocessing(height=32, width=32, channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    pictures = noise(5, preparation.shape)
    done = export_onnx(classifier(network, preparation, pictures, tags=False), tmp_path / "lite0.onnx")
    assert done.difference <= 1e-4
    with torch.no_grad():
        expected = network(preparation.normalise(pictures[:3])).softmax(1)
    assert np.abs(answers(done.path, pictures[:3].numpy()) - expected.numpy()).max() <= 1e-4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_an_export_that_answers_otherwise_is_not_written(
    difference: float, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnxruntime.InferenceSession.run

    def run(session: object, *arguments: object) -> list[np.ndarray]:
        (found,) = real(session, *arguments)
        return [found + np.float32(difference)]

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    with pytest.raises(CapasError) as caught:
        model.export(tmp_path / "wrong.onnx")
    assert caught.value.key == "export_differs" and not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(CapasError) as caught:
        model.export(tmp_path / "m.onnx")
    assert caught.value.key == "extra_missing" and 'pip install "capas[export]"' in str(caught.value)


@pytest.mark.usefixtures("quick")
def test_the_difference_is_taken_over_the_pictures_given(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def difference(exportable: Exportable, content: bytes) -> float:
        seen.append(len(exportable.compared[0][0]))
        return 0.0

    monkeypatch.setattr(export, "_difference", difference)
    assert model.export(tmp_path / "m.onnx", [np.zeros((3, 3, 3), np.uint8)] * 4).compared == 4 and seen == [4]


def test_a_name_that_the_description_would_overwrite_is_refused(model: Model, quick: None, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        model.export(tmp_path / "model.json")
    assert caught.value.key == "export_name" and not list(tmp_path.iterdir())


def test_tags_leave_as_probabilities_of_their_own(tmp_path: Path) -> None:
    """Not sharing one whole, as classes do."""
    preparation = ImagePreprocessing(height=4, width=4, channels=1)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    pictures = noise(3, preparation.shape)
    done = export_onnx(classifier(network, preparation, pictures, tags=True), tmp_path / "tags.onnx")
    with torch.no_grad():
        expected = network(preparation.normalise(pictures)).sigmoid().numpy()
    assert np.abs(answers(done.path, pictures.numpy()) - expected).max() <= 1e-4
