"""What tells the class beside the content is found; what merely varies is not."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.data.inspect.shortcuts import BINS, Value, accuracy_from_attribute, find_shortcuts


def test_an_attribute_is_judged_by_the_other_examples() -> None:
    """A value of its own for every example tells nothing, however well it fits."""
    classes = ["x", "y"] * 30
    assert accuracy_from_attribute([str(i) for i in range(60)], classes) < 0.6
    assert accuracy_from_attribute([f"v{c}" for c in classes], classes) == 1.0
    chance = np.random.default_rng(0)
    assert find_shortcuts({"noise": list(map(float, chance.normal(size=400)))}, ["x", "y"] * 200) == []
    number = [float(i % 2) + 0.3 * x for i, x in enumerate(chance.normal(size=400))]
    (found,) = find_shortcuts({"number": number}, ["x", "y"] * 200)
    assert (
        found.accuracy > 0.85 and found.majority_accuracy == 0.5 and found.gain == pytest.approx(2 * found.accuracy - 1)
    )


def judged_one_by_one(values: Sequence[Value], classes: Sequence[str]) -> float:
    """Each example by the others, as the definition says."""
    numbers = sorted(value for value in values if isinstance(value, float))
    edges = [numbers[len(numbers) * k // BINS] for k in range(1, BINS)] if len(set(numbers)) > BINS else []
    bins = [sum(v >= e for e in edges) if edges and isinstance(v, float) else v for v in values]
    right = 0
    for i, (own, name) in enumerate(zip(bins, classes, strict=True)):
        # In this order the first of several equally frequent classes is the one that occurs first.
        alike = Counter(other for key, other in zip(bins, classes, strict=True) if key == own)
        everyone = Counter(classes) if sum(alike.values()) == 1 else alike
        everyone[classes[i]] -= 1
        right += max(everyone, key=lambda other: everyone[other]) == name
    return right / max(1, len(classes))


def test_pairs_of_value_and_class_are_judged_as_their_examples_are() -> None:
    rng = random.Random(0)
    for _ in range(60):
        pool: list[Value] = rng.choice([["a", "b", None], [f"w{i}" for i in range(30)], [i / 3 for i in range(40)]])
        values, count = [rng.choice(pool) for _ in range(50)], rng.randint(1, 4)
        classes = [rng.choice("wxyz"[:count]) if rng.random() < 0.5 else str(value)[-1] for value in values]
        assert accuracy_from_attribute(values, classes) == judged_one_by_one(values, classes)


def pictures(root: Path, *, corner: bool, size: bool) -> Path:
    """Two classes of noise; a coloured corner or another size gives the class away."""
    chance = np.random.default_rng(1)
    for name in ("ill", "well"):
        for i in range(40):
            side = 40 if size and name == "ill" else 32
            pixels = chance.integers(60, 190, (side, side, 3), dtype=np.uint8)
            if corner and name == "ill":
                pixels[:8, -8:] = 255
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.mark.parametrize(("corner", "size"), [(False, False), (True, False), (False, True)])
def test_look_warns_of_a_corner_and_of_sizes(tmp_path: Path, corner: bool, size: bool) -> None:
    seen = capas.look(pictures(tmp_path / "data", corner=corner, size=size))
    told = [p for p in seen.problems if p.kind == "shortcut"]
    assert bool(told) is (corner or size)
    if corner:
        assert any("top right corner: 100 %" in example for example in told[0].examples)
    if size:
        assert any("size in pixels" in example for example in told[0].examples)


def test_look_warns_of_a_column_that_goes_with_the_class_and_of_one_that_gives_it_away(tmp_path: Path) -> None:
    pictures(tmp_path / "data", corner=False, size=False)
    lines = ["file,clinic,diagnosis"]
    for name in ("ill", "well"):
        for i in range(40):
            clinic = "north" if (name == "ill") != (i % 10 == 0) else "south"
            lines.append(f"{name}/{i}.png,{clinic},{name}")
    (tmp_path / "data" / "table.csv").write_text("\n".join(lines))
    for beside, kind in ((True, "column_beside_tells"), (False, "confounded")):
        seen = capas.look(tmp_path / "data" / "table.csv", settings={"data.columns_beside": beside})
        (found,) = [p for p in seen.problems if p.kind in ("column_beside_tells", "confounded")]
        assert found.kind == kind and "clinic" in found.sentence() and "90 %" in found.sentence()
    outcomes = {"yes": "dead", "no": "alive"}
    rows = [f"{20 + i % 50},{treated},{outcomes[treated]}" for i in range(60) for treated in ("no", "yes")[i % 2 :][:1]]
    rows.insert(0, "age,treated,outcome")
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    (found,) = [p for p in capas.look(tmp_path / "rows.csv").problems if p.kind == "given_away"]
    assert "treated" in found.sentence()
