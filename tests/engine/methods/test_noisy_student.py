"""A student of a teacher: what it learns from, that nothing of the test gets in, and that a stop changes nothing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.core.errors import CapasError
from capas.data.sources.samples import open_sample
from capas.engine.config import Config, MethodConfig, config_to_toml, read_config
from capas.engine.dataset_record import read_dataset_record
from capas.engine.events import Started, read_events
from capas.engine.methods.noisy_student import student_config, teacher_config
from capas.engine.methods.pseudo_labels import MAX_COPIES, PseudoLabel, balance_pseudo_labels
from capas.engine.run import Run
from capas.engine.train import TrainingCallbacks
from capas.trust.subjects.open_run import open_run
from tests.harness import FIXED, capas_here

Settings = Mapping[str, object]
SETTINGS: Settings = {
    **FIXED,
    "network.width": 4,
    "train.batch_size": 8,
    "train.epochs": 15,
    "train.checkpoint_steps": 3,
    "method.name": "noisy-student",
    "method.threshold": 0.5,
    "method.epochs": 4,
    "method.batch_size": 16,
}


def picture(kind: str, seed: int) -> np.ndarray:
    """16×16 grey: a bright band, lying or standing, on an uneven ground."""
    chance = np.random.default_rng(seed)
    made = chance.integers(0, 110, (16, 16))
    start = int(chance.integers(1, 11))
    band = (slice(start, start + 4), slice(None)) if kind == "lying" else (slice(None), slice(start, start + 4))
    made[band] += 120
    return made.astype(np.uint8)


def save(path: Path, made: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(made).save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``labelled/`` in class folders with a test part, and ``more/``: three lying ones to each standing one."""
    root = tmp_path_factory.mktemp("noisy")
    for number, kind in enumerate(("lying", "standing")):
        for part, count in (("train", 14), ("val", 6), ("test", 12)):
            for i in range(count):
                save(root / "labelled" / part / kind / f"{i}.png", picture(kind, 1000 * number + 100 * len(part) + i))
    for i in range(40):
        save(root / "more" / f"{i:02d}.png", picture("standing" if i % 4 == 0 else "lying", 5000 + i))
    return root


def train(data: Path, out: Path, changes: Settings | None = None, watch: TrainingCallbacks | None = None) -> Path:
    settings = {**SETTINGS, "method.unlabelled": str(data / "more"), **(changes or {})}
    assert capas.train(data / "labelled", out=out, settings=settings, watch=watch) is not None
    return out


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two students, one after the other."""
    return train(data, tmp_path_factory.mktemp("finished") / "run")


def json_of(path: Path) -> dict[str, object]:
    tree: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return tree


# --- what a student learns from ---------------------------------------------------------------------------------


@pytest.mark.parametrize("student", [".", "teacher"])
def test_a_student_learns_what_its_teacher_answers(finished: Path, data: Path, student: str) -> None:
    run = Run(folder=finished / student)
    record, teacher = read_dataset_record(run), capas.load(run.teacher.folder)
    assert record.taught is not None
    start = record.taught.start
    assert start == 2 * (14 + 6 + 12) and len(record.names) > start
    assert not any(name.startswith("unlabelled:") for name in record.names[:start])
    files = [data / "more" / name.removeprefix("unlabelled:") for name in record.names[start:]]
    said = teacher.predict(list(files))
    assert [record.label_text(label) for label in record.labels[start:]] == [answer.prediction for answer in said]
    assert all(answer.probability is not None and answer.probability >= 0.5 for answer in said)
    assert set(record.splits[start:]) == {"train"}


def test_every_unlabelled_picture_is_accounted_for(finished: Path) -> None:
    became = json_of(finished / "unlabelled.json")
    parts = ("learnt", "unreadable", "in_test", "labelled_already", "repeated", "unsure", "crowded")
    assert sum(int(str(became[part])) for part in parts) == became["pictures"] == 40
    per_class = became["per_class"]
    assert isinstance(per_class, dict) and sum(per_class.values()) == became["learnt"]


def test_the_first_teacher_is_what_supervised_training_gives(finished: Path, data: Path, tmp_path: Path) -> None:
    plain = {key: value for key, value in SETTINGS.items() if not key.startswith("method.")}
    assert capas.train(data / "labelled", out=tmp_path / "plain", settings=plain) is not None
    for name in ("bundle/model.safetensors", "metrics.json", "predictions.csv", "data.json"):
        assert (finished / "teacher" / "teacher" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_an_epoch_has_the_copies_of_the_record(finished: Path) -> None:
    record = read_dataset_record(Run(folder=finished))
    assert record.taught is not None
    counts = Counter(record.epoch_positions().tolist())
    train = record.positions("train").tolist()
    assert counts == {p: record.taught.copies[p] for p in train}
    assert record.labelled("train").tolist() == [p for p in train if p < record.taught.start]
    started = next(event for event in read_events(finished / "events.jsonl") if isinstance(event, Started))
    assert (started.examples, started.batch_size, round(started.epochs)) == (len(record.epoch_positions()), 16, 4)


def test_the_labelled_are_repeated_where_they_would_drown(data: Path, tmp_path: Path) -> None:
    run = train(data, tmp_path / "run", {"method.ratio": 0.25, "method.iterations": 1, "method.threshold": 0.0})
    taught = read_dataset_record(Run(folder=run)).taught
    assert taught is not None
    answers = sum(taught.copies[taught.start :])
    assert set(taught.copies[: taught.start]) == {round(answers / (0.25 * 28))}
    assert taught.copies[0] > 1
    started = next(event for event in read_events(run / "events.jsonl") if isinstance(event, Started))
    assert started.examples == answers + 28 * taught.copies[0]


def answers(*probabilities: tuple[int, float]) -> list[PseudoLabel]:
    return [PseudoLabel(index=i, label=label, probability=p) for i, (label, p) in enumerate(probabilities)]


def test_common_classes_give_their_surest_and_rare_ones_stand_more_often() -> None:
    said = answers((0, 0.9), (0, 0.95), (0, 0.81), (0, 0.99), (0, 0.5), (1, 0.85), (2, 0.9), (2, 0.8), (2, 0.83))
    kept = balance_pseudo_labels(said, MethodConfig(threshold=0.8))
    assert [(answer.index, copies) for answer, copies in kept] == [
        (0, 1), (1, 1), (3, 1), (5, 3), (6, 1), (7, 1), (8, 1),
    ]  # fmt: skip
    two = answers((0, 0.9), (0, 0.95), (0, 0.81), (0, 0.99), (1, 0.85), (1, 0.84))
    kept = balance_pseudo_labels(two, MethodConfig(threshold=0.8))
    assert [(answer.index, copies) for answer, copies in kept] == [(0, 1), (1, 1), (3, 1), (4, 2), (5, 1)]
    unbalanced = balance_pseudo_labels(said, MethodConfig(threshold=0.8, balance=False))
    assert [(answer.index, copies) for answer, copies in unbalanced] == [(i, 1) for i in range(9) if i != 4]


def test_one_picture_does_not_stand_for_a_whole_class() -> None:
    said = answers((0, 0.9), *[(1, 0.9)] * 50, *[(2, 0.9)] * 50)
    assert {a.index: copies for a, copies in balance_pseudo_labels(said, MethodConfig())}[0] == MAX_COPIES


def test_a_sample_can_be_the_unlabelled_part(data: Path, tmp_path: Path) -> None:
    changes = {"method.unlabelled": "sample:shapes", "method.iterations": 1, "method.threshold": 0.0}
    record = read_dataset_record(Run(folder=train(data, tmp_path / "run", changes)))
    assert record.taught is not None and record.taught.source == "sample:shapes"
    assert json_of(tmp_path / "run" / "unlabelled.json")["pictures"] == len(open_sample("shapes").images)


# --- what it must not learn from --------------------------------------------------------------------------------


def test_what_is_in_the_test_is_not_learnt_from(data: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    for i in range(12):
        save(more / f"good{i}.png", picture("lying" if i % 2 else "standing", 9000 + i))
    held = {name: data / "labelled" / name for name in ("test/lying/0.png", "val/standing/1.png", "train/lying/2.png")}
    for number, path in enumerate(held.values()):
        (more / f"same{number}.png").write_bytes(path.read_bytes())
    for i in (3, 4):
        with Image.open(data / "labelled" / "test" / "standing" / f"{i}.png") as image:
            save(more / f"near{i}.png", (np.asarray(image) * 0.97 + 2).astype(np.uint8))
    (more / "twice.png").write_bytes((more / "good0.png").read_bytes())
    (more / "broken.png").write_bytes((more / "good1.png").read_bytes()[:60])
    save(more / "large.png", np.kron(picture("lying", 9100), np.ones((5, 7), np.uint8)))
    changes = {"method.unlabelled": str(more), "method.iterations": 1, "method.threshold": 0.0, "method.balance": False}
    run = train(data, tmp_path / "run", changes)
    became = json_of(run / "unlabelled.json")
    assert {key: became[key] for key in ("in_test", "labelled_already", "repeated", "unreadable", "learnt")} == {
        "in_test": 4, "labelled_already": 1, "repeated": 1, "unreadable": 1, "learnt": 13,
    }  # fmt: skip
    record = read_dataset_record(Run(folder=run))
    assert record.taught is not None
    learnt = record.names[record.taught.start :]
    assert "unlabelled:large.png" in learnt and not any("near" in name or "same" in name for name in learnt)
    assert len(set(record.hashes)) == len(record.hashes)


# --- bad input --------------------------------------------------------------------------------------------------


def empty(root: Path) -> Path:
    (root / "empty").mkdir()
    return root / "empty"


def broken(root: Path) -> Path:
    for i in range(3):
        (root / "broken").mkdir(exist_ok=True)
        (root / "broken" / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    return root / "broken"


def texts(root: Path) -> Path:
    (root / "texts").mkdir()
    (root / "texts" / "a.txt").write_text("words")
    return root / "texts"


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda root: root / "nowhere", "no_such_path"),
        (empty, "empty_folder"),
        (broken, "too_many_unreadable"),
        (texts, "unlabelled_not_pictures"),
    ],
)
def test_a_folder_that_will_not_do_is_refused(
    make: Callable[[Path], Path], key: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(CapasError) as caught:
        train(data, tmp_path / "run", {"method.unlabelled": str(make(tmp_path)), "train.epochs": 1})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"method.unlabelled": ""}, "unlabelled_wanted"),
        ({"method.name": "supervised"}, "unlabelled_unused"),
        ({"method.width": 2.0, "network.name": "lenet-5", "network.width": 0}, "method_width"),
        ({"method.threshold": 0.999999, "train.epochs": 1}, "unlabelled_unsure"),
        ({"method.nosie": False}, "plan_key"),
        ({"method.iterations": 0}, "plan_value"),
    ],
)
def test_settings_that_contradict_are_refused(changes: Settings, key: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        train(data, tmp_path / "run", changes)
    assert caught.value.key == key


def test_the_labelled_folder_is_no_unlabelled_one(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        train(data, tmp_path / "run", {"method.unlabelled": str(data / "labelled") + "/"})
    assert caught.value.key == "unlabelled_same"
    part = {"method.unlabelled": str(data / "labelled" / "train"), "train.epochs": 1}
    with pytest.raises(CapasError) as caught:
        train(data, tmp_path / "other", part)
    assert caught.value.key == "unlabelled_none_left"
    assert caught.value.values["labelled"] == 28


def test_other_kinds_of_problems_are_refused(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,kind\n" + "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(60)))
    with pytest.raises(CapasError) as caught:
        capas.plan(table, settings={"method.name": "noisy-student", "method.unlabelled": str(data / "more")})
    assert caught.value.key == "method_not_for"


# --- stopped and resumed ----------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for SIGKILL: raised in the midst, and nothing is tidied up."""


def killing(moment: str) -> TrainingCallbacks:
    """A watch that dies at a moment: "teacher 2 7" is step 7 of the second training, "answers 1" are the first."""
    kind, count, *step = moment.split()
    trainings: list[str] = []

    def stage(name: str, number: int, total: int) -> None:
        trainings.append(name)
        assert total == 3

    def event(happened: object) -> None:
        done = getattr(happened, "step", 0)
        if step and trainings.count("student") + trainings.count("teacher") == int(count) and done >= int(step[0]):
            raise Killed

    def progress(name: str, done: int, total: int) -> None:
        if kind == "answers" and name == "answer" and trainings.count("answers") == int(count) and done > 5:
            raise Killed
        if kind == "tested" and name == "test" and done == 0 and len(trainings) == int(count):
            raise Killed

    return TrainingCallbacks(event=event, progress=progress, stage=stage)


def outcome(run: Path) -> dict[str, bytes]:
    names = (
        "bundle/model.safetensors",
        "predictions.csv",
        "metrics.json",
        "data.json",
        "unlabelled.json",
        "config.toml",
    )
    levels = {"student": run, "second": run / "teacher", "first": run / "teacher" / "teacher"}
    held = {(level, name): folder / name for level, folder in levels.items() for name in names}
    return {f"{level} {name}": path.read_bytes() for (level, name), path in held.items() if path.exists()}


@pytest.mark.parametrize(
    "moment", ["training 1 20", "tested 1", "answers 1", "training 2 5", "tested 3", "answers 2", "training 3 7"]
)
def test_stopped_in_any_stage_it_ends_as_if_it_had_not_been(
    moment: str, finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Killed):
        train(data, run, watch=killing(moment))
    assert not (run / "metrics.json").exists()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert capas.resume(run) is not None
    assert outcome(run) == outcome(finished)
    with pytest.raises(CapasError) as caught:
        capas.resume(run)
    assert caught.value.key == "run_finished"


def test_an_unlabelled_picture_that_changed_is_noticed(data: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    for i in range(20):
        save(more / f"{i}.png", picture("lying" if i % 2 else "standing", 7000 + i))
    changes = {"method.unlabelled": str(more), "method.iterations": 1, "method.threshold": 0.0, "method.balance": False}
    with pytest.raises(Killed):
        settings = {**SETTINGS, **changes}
        watch = TrainingCallbacks(stage=lambda kind, number, total: die() if kind == "student" else None)
        capas.train(data / "labelled", out=tmp_path / "run", settings=settings, watch=watch)
    save(more / "3.png", picture("lying", 1))
    with pytest.raises(CapasError) as caught:
        capas.resume(tmp_path / "run")
    assert caught.value.key == "data_changed" and caught.value.values["first"] == "unlabelled:3.png"


def die() -> None:
    raise Killed


# --- what is said of it -----------------------------------------------------------------------------------------


def test_the_card_says_by_whom_it_was_taught(finished: Path) -> None:
    card = capas.load(finished).card
    became = json_of(finished / "unlabelled.json")
    assert card.method is not None
    assert (card.method.name, card.method.source, card.method.labelled) == ("noisy-student", "more", 28)
    assert (card.method.pictures, card.method.learnt) == (40, became["learnt"])
    assert card.method.teacher == json_of(finished / "teacher" / "metrics.json")["metrics"]
    assert card.method.first_teacher == json_of(finished / "teacher" / "teacher" / "metrics.json")["metrics"]
    assert card.data.splits["train"].count == 28 + card.method.learnt
    readme = (finished / "bundle" / "README.md").read_text(encoding="utf-8")
    assert (
        "| its teacher |" in readme
        and "| the first teacher, from labels alone |" in readme
        and "28 had labels" in readme
        and "the student read it once" in readme
    )
    assert "/" not in card.method.source
    first = capas.load(finished / "teacher" / "teacher").card
    assert first.method is None and '"method"' not in (finished / "teacher/teacher/bundle/card.json").read_text()


def test_the_finished_run_is_found_with_both_sources(finished: Path) -> None:
    case, _ = open_run(str(finished))
    record = case.record
    assert [case.inputs.name(i) for i in case.indices] == list(record.names)
    assert [case.inputs.content_hash(i) for i in case.indices] == list(record.hashes)


def test_baselines_learn_from_labels_alone(finished: Path) -> None:
    first, student = (json_of(finished / part / "metrics.json")["baseline"] for part in ("teacher/teacher", "."))
    assert isinstance(first, dict) and isinstance(student, dict)
    assert student["majority"] == first["majority"]


@pytest.fixture
def planned(data: Path) -> Iterator[Config]:
    yield capas.plan(
        data / "labelled",
        settings={"method.name": "noisy-student", "method.unlabelled": str(data / "more"), "train.time_s": 90.0},
    ).config


def test_a_plan_holds_every_value_and_can_be_trained(planned: Config, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(config_to_toml(planned), encoding="utf-8")
    assert "auto" not in planned.method.model_dump().values()
    again = read_config(tmp_path / "plan.toml")
    assert again == planned == capas.plan(tmp_path / "plan.toml").config


def test_the_time_is_shared_by_all_trainings(planned: Config) -> None:
    second = teacher_config(planned)
    first = teacher_config(second)
    assert (second.method.iterations, first.method) == (1, MethodConfig())
    each = [student_config(planned).train.time_s, student_config(second).train.time_s, first.train.time_s]
    assert each == pytest.approx([30, 30, 30])


def test_noise_is_stronger_than_the_teachers_or_none(planned: Config) -> None:
    student, teacher = student_config(planned).augment, planned.augment
    assert student.rotate > teacher.rotate and student.crop > float(teacher.crop)
    still = student_config(planned.merged({"method.noise": False})).augment.model_dump()
    assert not any(still.values())
    asked = student_config(planned.merged({"method.rotate": 3.0, "method.width": 2.0}))
    assert asked.augment.rotate == 3.0 and asked.network.width == 2 * int(planned.network.width)


def test_the_command_line_tells_the_stages_and_the_teachers_figure(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {**{k: v for k, v in SETTINGS.items() if k != "method.name"}, "method.iterations": 1}
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    said = capas_here(capsys, "train", data / "labelled", "--method", "noisy-student", "--unlabelled", data / "more",
                      "--out", tmp_path / "run", *options)  # fmt: skip
    assert said.code == 0, said.err
    told = " ".join(said.err.split())
    assert (
        told.index("Training 1 of 2: the teacher") < told.index("The teacher answers") < told.index("Training 2 of 2")
    )
    assert "On the same test its teacher has: accuracy" in " ".join(said.out.split())
    plan = capas_here(capsys, "plan", data / "labelled", "--method", "noisy-student", "--unlabelled", data / "more")
    assert plan.code == 0 and 'name = "noisy-student"' in plan.out
