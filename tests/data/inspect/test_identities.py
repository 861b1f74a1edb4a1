"""Data in which what is the same is to be learnt: the target, the splits, and what is refused."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from capas.data.inspect.data_checks import identity_problems
from capas.data.inspect.report import DatasetReport, inspect_dataset


def write(folder: Path, examples: Mapping[str, int], *, seed: int = 0) -> Path:
    """Pictures of noise: so many in each folder."""
    rng = np.random.default_rng(seed)
    for name, count in examples.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(folder / name / f"{i}.png")
    return folder


def splits_by_identity(report: DatasetReport) -> dict[object, set[object]]:
    held: dict[object, set[object]] = {}
    for label, side in zip(report.labels, report.split, strict=True):
        held.setdefault(label, set()).add(side)
    return held


def kinds(report: DatasetReport) -> list[str]:
    return [problem.kind for problem in report.problems]


def test_a_column_with_the_name_of_an_identity_is_the_target(tmp_path: Path) -> None:
    write(tmp_path / "p", {"x": 24})
    rows = [f"p/x/{i}.png,{'ab'[i % 2]},s{i // 3},{i % 4}" for i in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,speaker,take", *rows]) + "\n")
    report = inspect_dataset(tmp_path / "t.csv", task="verify")
    spec = report.detection.spec
    assert (spec.task, spec.targets[0].name, len(spec.classes)) == ("verify", "speaker", 8)
    assert spec.columns_beside == ()
    assert all(len(sides) == 1 for sides in splits_by_identity(report).values())
    other = inspect_dataset(tmp_path / "t.csv", task="verify", target="take")
    assert other.detection.spec.targets[0].name == "take"


def test_a_copy_or_a_group_ties_identities(tmp_path: Path) -> None:
    data = write(tmp_path, {f"p{i:02d}": 3 for i in range(12)})
    (data / "p03" / "copy.png").write_bytes((data / "p07" / "0.png").read_bytes())
    report = inspect_dataset(data, task="verify")
    held = splits_by_identity(report)
    place = {name: i for i, name in enumerate(report.detection.spec.classes)}
    assert held[place["p03"]] - {None} == held[place["p07"]] - {None}
    rows = [f"p{i:02d}/{j}.png,p{i:02d},f{i // 2}" for i in range(12) for j in range(3)]
    (data / "t.csv").write_text("\n".join(["path,person,family", *rows]) + "\n")
    families = inspect_dataset(data / "t.csv", task="verify", group="family")
    sides = splits_by_identity(families)
    assert all(sides[2 * i] == sides[2 * i + 1] and len(sides[2 * i]) == 1 for i in range(6))


def test_splits_of_the_folder_are_kept_if_they_divide_no_identity(tmp_path: Path) -> None:
    apart = write(tmp_path / "apart", {f"train/p{i}": 2 for i in range(8)} | {f"test/q{i}": 2 for i in range(3)})
    report = inspect_dataset(apart, task="verify")
    tested = {report.detection.spec.classes[int(str(label))] for label, sides in splits_by_identity(report).items()
              if sides == {"test"}}  # fmt: skip
    assert tested == {"q0", "q1", "q2"} and "identities_torn" not in kinds(report)
    torn = write(tmp_path / "torn", {f"{side}/p{i}": 2 for i in range(8) for side in ("train", "test")})
    report = inspect_dataset(torn, task="verify")
    assert all(len(sides) == 1 for sides in splits_by_identity(report).values())
    assert "identities_torn" in kinds(report)
    assert "identities_torn" not in kinds(inspect_dataset(torn))


def test_too_few_and_lonely_identities() -> None:
    def told(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
        return [(one.kind, one.severity, one.count) for one in identity_problems(counts)]

    assert told({"a": 2, "b": 2, "c": 2, "d": 1}) == [("identities_few", "error", 3)]
    many = {f"p{i}": 2 for i in range(40)}
    assert told(many) == []
    assert told(many | {"x": 1, "y": 0}) == [("identities_single", "note", 1)]
    assert told(many | {f"s{i}": 1 for i in range(41)}) == [("identities_mostly_single", "error", 41)]
    assert told({f"p{i}": 2 for i in range(10)}) == [("identities_hardly_enough", "warning", 10)]
