"""Pictures and sounds with columns beside them: both sides are learnt, batches, bundles, predictions, export."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from capas.bundle.card import ColumnCard, NetworkCard
from capas.core.errors import CapasError
from capas.core.spec import Field, FieldKind, Spec, TaskName
from capas.data.collections import FilesWithColumns, TableRows
from capas.data.image.io import ImageArray
from capas.data.tabular.columns import Cell
from capas.data.targets import Label
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.single_output.audio.recipe import recipe as audio_recipe
from capas.engine.recipes.single_output.columns_beside.batches import ContentWithColumns
from capas.engine.recipes.single_output.columns_beside.data import PreparedContentWithColumns
from capas.engine.recipes.single_output.columns_beside.network import fusion_of
from capas.engine.recipes.single_output.columns_beside.predictor import PreparedWithColumns, ReaderWithColumns
from capas.engine.recipes.single_output.image.data import PreparedImageInputs
from capas.engine.recipes.single_output.image.recipe import recipe
from capas.engine.recipes.single_output.learn import SingleOutputJob
from tests.engine.recipes.made_work import (
    FLOAT32,
    bundle_of,
    image_statistics_of,
    noise,
    parameters_of,
    report_of,
    rows_of,
    sounds_of,
    work_of,
)
from tests.harness import step_context

SETTINGS: Mapping[str, object] = {
    "network.name": "compact", "network.width": 4, "network.pretrained": False, "network.flip_tta": False,
    "data.channels": 1, "data.image_size": 8, "data.fit": "squash", "train.batch_size": 16, "augment.crop": 0.0,
    "augment.flip": False, "augment.colour": 0.0, "augment.cutout": 0.0,
}  # fmt: skip
SOUND: Mapping[str, object] = {
    "network.width": 4, "audio.sample_rate": 8000, "audio.seconds": 0.1, "audio.n_mels": 8, "train.batch_size": 4,
}  # fmt: skip
N = 120


def spec_with(task: TaskName, kind: FieldKind, target: FieldKind, classes: Sequence[str] = ()) -> Spec:
    inputs = (Field(name="file", kind=kind), Field(name="age", kind="number"), Field(name="sex", kind="category"))
    return Spec(inputs=inputs, target=Field(name="target", kind=target), task=task, classes=tuple(classes))


CLASSES = spec_with("classify", "image", "category", ("a", "b", "c", "d"))


def halves(shown: Sequence[int]) -> NDArray[np.uint8]:
    """Pictures 8×8 with the left or the right half light, in noise."""
    pictures = np.random.default_rng(0).integers(0, 60, (len(shown), 8, 8, 1), dtype=np.uint8)
    for picture, side in zip(pictures, shown, strict=True):
        picture[:, 4 * side : 4 * side + 4] += 150
    return pictures


def made_rows(told: Sequence[int]) -> TableRows:
    """An age that is above or below 50, with a gap here and there, and a sex that says nothing."""
    chance = np.random.default_rng(1)
    ages: list[Cell] = [
        None if i % 20 == 7 else float(35 + 30 * old + chance.normal(0, 5)) for i, old in enumerate(told)
    ]
    return rows_of({"age": ages, "sex": ["f" if i % 5 else "m" for i in range(len(told))]})


SHOWN, OLD = [i % 2 for i in range(N)], [i // 2 % 2 for i in range(N)]
QUARTERS = [2 * shown + old for shown, old in zip(SHOWN, OLD, strict=True)]
SPLITS = ["test" if i % 3 == 0 else "train" for i in range(N)]


def inputs_of(**changes: object) -> FilesWithColumns:
    return FilesWithColumns(ImageArray(halves(SHOWN), "p"), made_rows(OLD))


def made(
    folder: Path, spec: Spec = CLASSES, labels: Sequence[Label] = QUARTERS, **changes: object
) -> SingleOutputJob[object]:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    work = work_of(inputs_of(), spec, SPLITS, settings, labels=labels, cache=folder)  # type: ignore[arg-type]
    job = recipe.prepare(work, Ranks())
    assert isinstance(job, SingleOutputJob)
    return job


def learn(job: SingleOutputJob[object], steps: int) -> SingleOutputJob[object]:
    optimizer = torch.optim.AdamW(job._network.parameters(), 5e-3)
    (phase,) = job.objective.phases
    for batch in islice(job.batches.iterate(0), steps):
        optimizer.zero_grad()
        job.objective.losses(batch, phase, step_context())["loss"].backward()
        optimizer.step()
    return job


def accuracy(job: SingleOutputJob[object], inputs: ContentWithColumns[torch.Tensor], labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float((job._network.eval()(inputs).argmax(1) == labels).float().mean())


def test_both_sides_together_beat_either_alone(tmp_path: Path) -> None:
    """Four classes of which a picture tells one bit and a column the other: half is the most that a side can do."""
    job = learn(made(tmp_path), 30)
    test = job.record.positions("test")
    labels = job.targets[test]
    whole = job.prepared.take(test)
    assert isinstance(whole, ContentWithColumns)
    missing = replace(whole, numbers=torch.full_like(whole.numbers, torch.nan), categories=0 * whole.categories)
    swapped = replace(
        whole, content=whole.content[torch.randperm(len(test), generator=torch.Generator().manual_seed(0))]
    )
    assert accuracy(job, whole, labels) > 0.9
    assert accuracy(job, missing, labels) < 0.65 and accuracy(job, swapped, labels) < 0.65


def test_batches_hold_each_picture_s_own_row(tmp_path: Path) -> None:
    job = made(tmp_path)
    inputs = job.prepared
    assert isinstance(inputs, PreparedContentWithColumns)
    for step, batch in zip((1, 2), islice(job.batches.iterate(1), 2), strict=True):
        assert isinstance(batch.inputs, ContentWithColumns)
        assert torch.equal(batch.positions, job.batches.batch(step).positions)
        torch.testing.assert_close(batch.inputs.content, inputs.content.take(batch.positions))
        torch.testing.assert_close(batch.inputs.numbers, inputs.rows.numbers[batch.positions], equal_nan=True)
        assert torch.equal(batch.inputs.categories, inputs.rows.categories[batch.positions])
    assert job.batches.names(0)[0].startswith("p/") and job.batches.examples == 80 and job.batches.batch_size == 16
    # The rival sees the columns too: 1 number, 1 gap, 2 sexes.
    positions = torch.arange(3)
    assert inputs.features(positions).shape[1] == inputs.content.features(positions).shape[1] + 4
    # Fitted to the training split alone.
    ages = [age for age, part in zip(inputs_of().rows.columns["age"], SPLITS, strict=True) if part == "train" and age]
    assert inputs.preparation.columns[0].mean[0] == pytest.approx(np.mean([float(age) for age in ages]))


def test_a_job_s_bundle_answers_as_the_job(tmp_path: Path) -> None:
    job = made(tmp_path, network__flip_tta=True)
    network, card = job._network.eval(), job.network_card()
    assert card.name == "compact" and card.parameters == parameters_of(network)
    assert {"num_classes": 4, "embedding": 64, "flip_tta": True, "width": 4}.items() <= card.settings.items()
    age, sex = card.columns
    train = [i for i, part in enumerate(SPLITS) if part == "train"]
    known = [float(str(cell)) for i in train if (cell := inputs_of().rows.columns["age"][i]) is not None]
    assert age == ColumnCard(name="age", kind="number", low=min(known), high=max(known))
    assert sex == ColumnCard(name="sex", kind="category", values=["f", "m"])
    opened = recipe.reopen(bundle_of(CLASSES, card, job.bundle_files(), network.state_dict()))
    reader = opened.reader
    assert isinstance(reader, ReaderWithColumns) and not opened.network.training
    prepared = [reader.preprocess_example(inputs_of(), i) for i in range(5)]
    with torch.no_grad():
        found = opened.network(reader.collate(prepared))
        torch.testing.assert_close(found, network(job.prepared.take(torch.arange(5))), atol=1e-5, rtol=1e-4)


def test_a_row_is_predicted_with_its_cells_and_a_picture_alone_says_what_it_lacks(tmp_path: Path) -> None:
    job = made(tmp_path)
    opened = recipe.reopen(bundle_of(CLASSES, job.network_card(), job.bundle_files(), job._network.state_dict()))
    Image.fromarray(halves([1])[0, :, :, 0]).save(tmp_path / "a.png")
    row = opened.item({"file": tmp_path / "a.png", "age": "61,5", "sex": "m", "other": 1}, 0)
    items = [row, *opened.items([str(tmp_path / "a.png")], [])]
    prepared = [opened.preprocess(item) for item in items]
    first, second = (one for one in prepared if isinstance(one, PreparedWithColumns))
    assert first.row.categories.tolist() == [[2]] and float(first.row.numbers) > 0 and not first.lacks_columns
    assert second.row.categories.tolist() == [[0]] and second.row.numbers.isnan().all() and second.lacks_columns
    found = opened.predict([item.name for item in items], prepared)
    assert [one.facts.get("without_columns") for one in found] == [None, ["age", "sex"]]
    assert found[0].input == str(tmp_path / "a.png")
    for content, key in (
        ({"age": 3}, "row_without_file"),
        ({"file": tmp_path / "a.png", "age": "old"}, "cell_no_number"),
    ):
        with pytest.raises(CapasError) as error:
            opened.preprocess(opened.item(content, 0))
        assert error.value.key == key


def test_a_bundle_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    job = made(tmp_path)
    card, files = job.network_card(), dict(job.bundle_files())
    tensors = job._network.state_dict()
    preparation = files["preparation.json"]
    assert isinstance(preparation, dict)
    age, sex = preparation["columns"]["columns"]
    fewer, renamed = {"columns": [age]}, {"columns": [{**age, "name": "weight"}, sex]}
    for changed in (
        {"content": preparation["content"]},
        {**preparation, "columns": fewer},
        {**preparation, "columns": renamed},
        {**preparation, "columns": {}},
    ):
        with pytest.raises(CapasError) as error:
            recipe.reopen(bundle_of(CLASSES, card, {**files, "preparation.json": changed}, tensors))
        assert error.value.key == "bundle_incomplete"
    for name in ("embedding", "columns.width"):
        settings = {key: value for key, value in card.settings.items() if key != name}
        other = NetworkCard.model_validate({**card.model_dump(), "settings": settings})
        with pytest.raises(CapasError) as error:
            recipe.reopen(bundle_of(CLASSES, other, files, tensors))
        assert error.value.key == "card_unreadable"
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(CLASSES, card, files, {**tensors, "network.other": torch.zeros(1)}))
    assert error.value.key == "bundle_incomplete"


def test_layers_of_the_columns_are_new_beside_a_pretrained_network(tmp_path: Path) -> None:
    job = made(tmp_path)
    inputs = job.prepared
    assert inputs.head is None and isinstance(inputs, PreparedContentWithColumns)
    pictures = inputs.content
    assert isinstance(pictures, PreparedImageInputs)
    pictures.config = inputs.config.merged({"network.name": "efficientnet-lite0", "network.pretrained": True})
    heads = inputs.head
    assert isinstance(heads, tuple) and heads[1:] == ("network.hidden", "network.output")
    assert heads[0] == f"network.content.{pictures.head}"
    names = [name for name, _ in job._network.named_parameters()]
    assert all(any(name.startswith(f"{head}.") for name in names) for head in heads[1:])


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        (spec_with("regress", "image", "number"), [(10.0 * s + 3.0 * o,) for s, o in zip(SHOWN, OLD, strict=True)]),
        (spec_with("tag", "image", "tags", ("right", "old")),
         [tuple(k for k, flag in enumerate((s, o)) if flag) for s, o in zip(SHOWN, OLD, strict=True)]),
    ],
)  # fmt: skip
def test_numbers_and_tags_are_learnt_from_both_sides(spec: Spec, labels: Sequence[Label], tmp_path: Path) -> None:
    job = made(tmp_path, spec, labels)
    batch, (phase,) = job.batches.batch(0), job.objective.phases
    job.objective.losses(batch, phase, step_context())["loss"].backward()
    fusion = fusion_of(job._network)
    embedding = fusion.config.embedding
    for gradient in (fusion.hidden.weight.grad, *(one.grad for one in fusion.content.parameters())):
        assert gradient is not None and bool(gradient.isfinite().all())
    assert fusion.hidden.weight.grad[:, embedding:].abs().sum() > 0  # type: ignore[index]
    tested = job.test(FLOAT32)
    assert tested.n == 40 and {"ridge", "logistic_regression"} & tested.baseline.keys()


def test_sounds_are_learnt_together_with_their_columns(tmp_path: Path) -> None:
    spec = spec_with("classify", "audio", "category", ("a", "b"))
    told = [i % 2 for i in range(8)]
    sounds = sounds_of(tmp_path, [noise(500 + 40 * i, seed=i) for i in range(8)])
    inputs = FilesWithColumns(sounds, made_rows(told))
    splits = ["train"] * 6 + ["test"] * 2
    job = audio_recipe.prepare(work_of(inputs, spec, splits, SOUND, labels=told), Ranks())  # type: ignore[arg-type]
    assert isinstance(job, SingleOutputJob)
    batch = job.batches.batch(0).inputs
    assert isinstance(batch, ContentWithColumns) and len(batch.numbers) == 4
    network = learn(job, 2)._network.eval()
    opened = audio_recipe.reopen(bundle_of(spec, job.network_card(), job.bundle_files(), network.state_dict()))
    prepared = [opened.preprocess(opened.item({"file": sounds.paths[6], "age": 40, "sex": "f"}, 0))]
    with torch.no_grad():
        found = opened.network(opened.reader.collate(prepared))
    assert found.shape == (1, 2) and bool(found.isfinite().all())
    assert opened.exportable(prepared).count == 1


def test_an_exported_network_takes_pictures_numbers_and_categories(tmp_path: Path) -> None:
    job = made(tmp_path, network__flip_tta=True)
    opened = recipe.reopen(bundle_of(CLASSES, job.network_card(), job.bundle_files(), job._network.state_dict()))
    prepared = [opened.reader.preprocess_example(inputs_of(), i) for i in range(3)]
    exportable = opened.exportable(prepared)
    assert [one.name for one in exportable.inputs] == ["pictures", "numbers", "categories"] and exportable.count == 3
    assert opened.exportable([]).count == 16
    with torch.no_grad():
        found = exportable.network(*exportable.compared[0])
        expected = opened.network(opened.reader.collate(prepared)).softmax(1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_trial_batch_has_columns_and_mixup_is_refused() -> None:
    inputs = inputs_of()
    report = report_of(inputs, CLASSES, SPLITS, labels=QUARTERS)  # type: ignore[arg-type]
    config = work_of(inputs, CLASSES, SPLITS, SETTINGS).config  # type: ignore[arg-type]
    trial = recipe.trial(config, report)
    assert isinstance(trial.batch.inputs, ContentWithColumns) and len(trial.batch.inputs.numbers) == 16
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()
    seen = replace(report, statistics=image_statistics_of(8, 8, ("L",)))
    reasons = recipe.resolve_defaults(Config(), seen).reasons
    assert "columns beside the files as well (2): age, sex" in reasons[-1]
    with pytest.raises(CapasError) as error:
        recipe.resolve_defaults(Config().merged({"augment.mixup": 0.2}), seen)
    assert error.value.key == "mixup_with_columns"
