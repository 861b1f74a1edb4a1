"""Samples of a generator as further examples of rare classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.bundle.card import read_card
from capas.core.errors import CapasError
from capas.core.spec import Field, Spec
from capas.engine.dataset_record import read_dataset_record
from capas.engine.methods.generated_examples import missing_examples
from capas.engine.run import Run
from tests.harness import FIXED, capas_here

QUICK = {**FIXED, "train.epochs": 1, "train.evaluations": 1, "trust.report": "none"}
CLASSIFY = {**QUICK, "network.name": "compact"}
GENERATE = {**QUICK, "data.task": "generate", "network.name": "dcgan", "network.width": 4, "generation.samples": 16}


def bars(folder: Path, lying: int, standing: int) -> Path:
    """Pictures of 28 pixels a side with a bar that lies or stands; each split has its own folder."""
    rng = np.random.default_rng(0)
    for split, share in (("train", 1.0), ("validation", 0.2), ("test", 0.2)):
        for name, count in (("lies", lying), ("stands", standing)):
            (folder / split / name).mkdir(parents=True)
            for i in range(round(count * share)):
                picture = rng.integers(0, 60, (28, 28)).astype(np.uint8)
                picture[rng.integers(2, 24) :][:3] = 250
                picture = picture if name == "lies" else picture.T
                Image.fromarray(picture).save(folder / split / name / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bars(tmp_path_factory.mktemp("bars"), 40, 10)


@pytest.fixture(scope="module")
def generator(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "generator"
    capas.train(data, out=folder, settings=GENERATE)
    return folder


def test_a_class_gets_what_it_lacks_but_not_many_times_its_own() -> None:
    spec = Spec(inputs=(), target=Field(name="class", kind="category"), task="classify", classes=("a", "b", "c"))
    assert missing_examples({0: 100, 1: 40, 2: 10}, spec) == {"b": 60, "c": 40}
    assert missing_examples({0: 5, 1: 5, 2: 5}, spec) == {}


def test_samples_are_learnt_from_and_nothing_else(
    data: Path, generator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--set={key}={json.dumps(value)}" for key, value in CLASSIFY.items()]
    said = capas_here(capsys, "train", data, "--augment-with", generator, *options, "-o", tmp_path / "run")
    assert said.code == 0, said.err
    run = Run(folder=tmp_path / "run")
    record = read_dataset_record(run)
    assert record.taught is not None
    rows = zip(record.names, record.labels, record.splits, strict=True)
    added = [(label, split) for name, label, split in rows if name.startswith("unlabelled:")]
    assert len(added) == 30
    assert set(added) == {(record.spec.classes.index("stands"), "train")}
    assert record.splits.count("train") == 80
    assert record.splits.count("test") == 10
    held = read_card(run.bundle / "card.json").generated
    assert held is not None
    assert (held.drawn, held.learnt, held.in_test, held.per_class) == (30, 30, 0, {"stands": 30})
    assert "30 samples" in said.err
    assert "stands (30)" in (run.bundle / "README.md").read_text()
    with Image.open(run.generated / "001" / "00000.png") as sample:
        assert sample.info["capas:class"] == "stands"
        assert sample.size == (28, 28)
    assert capas_here(capsys, "test", run.folder).code == 0


def test_what_cannot_be_added(data: Path, generator: Path, tmp_path: Path) -> None:
    other = bars(tmp_path / "other", 12, 12)
    renamed = tmp_path / "renamed"
    for name, folder in (("lies", "lies"), ("stands", "leans")):
        for split in ("train", "test"):
            (renamed / split).mkdir(parents=True, exist_ok=True)
            (renamed / split / folder).symlink_to(data / split / name)
    # What the generator learnt from becomes the test.
    leaking = tmp_path / "leaking"
    leaking.mkdir()
    (leaking / "train").symlink_to(data / "validation")
    (leaking / "test").symlink_to(data / "train")
    follow = {"data.follow_links": True}
    for source, settings, key in (
        (other, {}, "generated_none"),
        (renamed, follow, "generator_other_classes"),
        (leaking, follow, "generator_saw_test"),
        (data, {"method.name": "noisy-student", "method.unlabelled": str(other)}, "generated_with_method"),
        (data, {"data.task": "embed", "method.name": "supervised"}, "method_not_for"),
    ):
        with pytest.raises(CapasError) as error:
            capas.train(source, out=tmp_path / f"run-{key}",
                        settings={**CLASSIFY, "augment.with_run": str(generator), **settings})  # fmt: skip
        assert error.value.key == key


def test_a_classifier_is_no_generator(data: Path, tmp_path: Path) -> None:
    capas.train(data, out=tmp_path / "classifier", settings=CLASSIFY)
    with pytest.raises(CapasError) as error:
        capas.train(data, out=tmp_path / "run", settings={**CLASSIFY, "augment.with_run": str(tmp_path / "classifier")})
    assert error.value.key == "generator_wanted"
