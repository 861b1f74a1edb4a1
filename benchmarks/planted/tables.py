"""Planted flaws in tables: columns that give the target away, people in both parts, wrong labels and units."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted.case import Planted, parted, write_parts, write_table

SHORT = ("--set", "train.time_s=8")
Numbers = NDArray[np.float64]


def _target(name: str) -> tuple[str, ...]:
    return ("--target", name, *SHORT)


def _listed(columns: Mapping[str, Numbers], digits: int = 3) -> dict[str, Sequence[object]]:
    return {name: [round(float(x), digits) for x in values] for name, values in columns.items()}


def _cancer(rows: int = 560) -> tuple[dict[str, Sequence[object]], NDArray[np.int64]]:
    """Eight columns of the Wisconsin breast cancer data of scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    held = load_breast_cancer()
    kept = [1, 4, 5, 8, 10, 15, 21, 24]
    order = np.random.default_rng(3).permutation(len(held.data))[:rows]
    names = [str(held.feature_names[k]).replace(" ", "_") for k in kept]
    return _listed({name: held.data[order, k] for name, k in zip(names, kept, strict=True)}, 5), held.target[order]


def _worded(target: NDArray[np.int64], words: tuple[str, str] = ("malignant", "benign")) -> list[str]:
    return [words[int(k)] for k in target]


def difference_gives_class(folder: Path) -> Path:
    rng = np.random.default_rng(201)
    n = 700
    base, age, noise = rng.normal(60, 12, n), rng.normal(50, 9, n), rng.normal(0, 1, n)
    ill = (0.09 * (age - 50) + rng.normal(0, 1, n)) > 0
    after = base + np.where(ill, -4.0, 4.0) + rng.normal(0, 0.4, n)
    columns = _listed({"age": age, "weight_in": base, "weight_out": after, "humidity": noise})
    return write_table(folder / "data.csv", {**columns, "state": np.where(ill, "ill", "well").tolist()})


def product_gives_number(folder: Path) -> Path:
    rng = np.random.default_rng(202)
    n = 600
    width, depth, age = rng.uniform(3, 20, n), rng.uniform(5, 30, n), rng.uniform(1, 90, n)
    columns = _listed({"width": width, "depth": depth, "age": age, "price": 900 * width * depth})
    return write_table(folder / "data.csv", columns)


def known_afterwards(folder: Path) -> Path:
    """A column that is filled in where, and only where, the patient came to the ward."""
    columns, target = _cancer()
    rng = np.random.default_rng(203)
    days: list[object] = [round(float(rng.gamma(3, 2)), 1) if k == 0 else None for k in target]
    return write_table(folder / "data.csv", {**columns, "days_on_ward": days, "finding": _worded(target)})


def code_gives_class(folder: Path) -> Path:
    """An invoice code that is another for each class."""
    columns, target = _cancer()
    rng = np.random.default_rng(204)
    codes = [str(rng.choice(["C50", "C51"] if k == 0 else ["D24", "D25"])) for k in target]
    return write_table(folder / "data.csv", {**columns, "invoice_code": codes, "finding": _worded(target)})


def patients_in_both(folder: Path) -> Path:
    rng = np.random.default_rng(205)
    people, visits = 40, 12
    own = rng.normal(0, 3, (people, 4))
    ill = rng.random(people) < 0.5
    who = np.repeat(np.arange(people), visits)
    x = own[who] + rng.normal(0, 0.35, (len(who), 4))
    order = rng.permutation(len(who))
    columns = _listed({f"protein_{k}": x[order, k] for k in range(4)})
    patient = [f"P{k:03d}" for k in who[order]]
    state = np.where(ill[who[order]], "ill", "well").tolist()
    return write_table(folder / "data.csv", {"patient": patient, **columns, "state": state})


def drift(folder: Path) -> Path:
    """Prices follow another rule at the end of the time, and the parts are drawn at random."""
    rng = np.random.default_rng(206)
    n = 720
    day = np.sort(rng.integers(0, 1400, n))
    rooms, distance = rng.uniform(1, 7, n), rng.uniform(0, 30, n)
    season = np.floor(day / 70)
    level = np.cumsum(rng.normal(0, 1.5, 21))[season.astype(int)] * 40
    price = 90 * rooms - 4 * distance + level + rng.normal(0, 8, n)
    start = datetime.date(2016, 3, 1)
    dates = [(start + datetime.timedelta(days=int(d))).isoformat() for d in day]
    rows = rng.permutation(n)
    columns = _listed({"rooms": rooms[rows], "distance": distance[rows], "price": price[rows]}, 1)
    return write_table(folder / "data.csv", {"sold_on": [dates[i] for i in rows], **columns})


def rows_with_another_number(folder: Path) -> Path:
    """A quarter of the test are rows of the training in which one cell differs."""
    columns, target = _cancer()
    rng = np.random.default_rng(207)
    parts = parted(len(target), rng)
    held = {name: list(cells) for name, cells in columns.items()}
    names, labels = list(held), _worded(target)
    learnt = [i for i, part in enumerate(parts) if part == "train"]
    test = [i for i, part in enumerate(parts) if part == "test"]
    for place in test[: len(test) // 4]:
        source, changed = int(rng.choice(learnt)), str(rng.choice(names))
        for name in names:
            held[name][place] = held[name][source]
        held[changed][place] = held[changed][int(rng.choice(learnt))]
        labels[place] = labels[source]
    return write_parts(folder, {**held, "finding": labels}, parts)


def oversampled(folder: Path) -> Path:
    """The rare class was sampled with replacement before the parts were drawn; every row has a number of its own."""
    columns, target = _cancer()
    rng = np.random.default_rng(208)
    rare = np.flatnonzero(target == 0)[:70]
    rows = np.concatenate([np.flatnonzero(target == 1), rare, rng.choice(rare, 230)])
    rows = rng.permutation(rows)
    parts = parted(len(rows), rng)
    number = [1000 + 3 * i for i in range(len(rows))]
    taken = {name: [cells[i] for i in rows] for name, cells in columns.items()}
    return write_parts(folder, {"sample": number, **taken, "finding": _worded(target[rows])}, parts)


def _diabetes() -> tuple[dict[str, Sequence[object]], Numbers]:
    from sklearn.datasets import load_diabetes

    held = load_diabetes(scaled=False)
    columns = {name: held.data[:, k] for k, name in enumerate(held.feature_names)}
    return _listed(columns), held.target.astype(float)


def mixed_units(folder: Path) -> Path:
    """One length in ten is written in millimetres, the others in metres."""
    rng = np.random.default_rng(209)
    n = 640
    age, girth, rain = rng.uniform(2, 60, n), rng.uniform(0.2, 1.9, n), rng.uniform(300, 900, n)
    height = 1.5 + 0.2 * age + 4 * girth + 0.002 * rain + rng.normal(0, 0.4, n)
    wrong = rng.random(n) < 0.1
    given = np.where(wrong, 1000 * height, height)
    return write_table(folder / "data.csv", _listed({"age": age, "girth": girth, "rain": rain, "height": given}, 2))


def slipped_numbers(folder: Path) -> Path:
    """In one of twelve rows the number to be learnt is that of another row."""
    rng = np.random.default_rng(210)
    n = 660
    x = rng.normal(0, 1, (n, 4))
    y = 20 + 5 * x[:, 0] - 4 * x[:, 1] + 3 * x[:, 2] * x[:, 0] + rng.normal(0, 0.7, n)
    wrong = np.flatnonzero(rng.random(n) < 1 / 12)
    y[wrong] = y[rng.permutation(wrong)] + np.where(rng.random(len(wrong)) < 0.5, 25, -25)
    columns = _listed({f"sensor_{k}": x[:, k] for k in range(4)})
    return write_table(folder / "data.csv", {**columns, **_listed({"yield": y})})


def noisy_in_one_quarter(folder: Path) -> Path:
    """The numbers are five times as noisy where it is hot."""
    rng = np.random.default_rng(211)
    n = 1400
    heat, load, hour = rng.uniform(-5, 38, n), rng.uniform(0, 1, n), rng.uniform(0, 24, n)
    spread = np.where(heat > 27, 10.0, 2.0)
    use = 50 + 30 * load + 4 * np.cos(hour / 24 * 2 * np.pi) + spread * rng.normal(0, 1, n)
    return write_table(folder / "data.csv", _listed({"heat": heat, "load": load, "hour": hour, "use": use}, 2))


def fails_where_old(folder: Path) -> Path:
    rng = np.random.default_rng(212)
    n = 1300
    x, age = rng.normal(0, 1, (n, 3)), rng.uniform(18, 92, n)
    risk = x[:, 0] - x[:, 1] > 0
    turned = rng.random(n) < np.where(age > 73, 0.45, 0.04)
    state = np.where(risk ^ turned, "high", "low").tolist()
    columns = _listed({"pressure": x[:, 0], "flow": x[:, 1], "noise": x[:, 2], "age": age})
    return write_table(folder / "data.csv", {**columns, "risk": state})


def fails_in_one_clinic(folder: Path) -> Path:
    rng = np.random.default_rng(213)
    n = 1300
    x = rng.normal(0, 1, (n, 4))
    clinic = rng.choice(["north", "south", "harbour"], n, p=[0.4, 0.4, 0.2])
    risk = 1.2 * x[:, 0] + x[:, 1] > 0
    turned = rng.random(n) < np.where(clinic == "harbour", 0.4, 0.03)
    columns = _listed({f"marker_{k}": x[:, k] for k in range(4)})
    state = np.where(risk ^ turned, "yes", "no").tolist()
    return write_table(folder / "data.csv", {**columns, "clinic": clinic.tolist(), "relapse": state})


def wrong_test_labels(folder: Path) -> Path:
    columns, target = _cancer()
    rng = np.random.default_rng(214)
    parts = parted(len(target), rng)
    turned = np.array([part == "test" and rng.random() < 0.25 for part in parts])
    return write_parts(folder, {**columns, "finding": _worded(np.where(turned, 1 - target, target))}, parts)


def wrong_labels(folder: Path) -> Path:
    rng = np.random.default_rng(215)
    n = 900
    kind = rng.integers(0, 3, n)
    centres = rng.normal(0, 3.2, (3, 5))
    x = centres[kind] + rng.normal(0, 1, (n, 5))
    given = np.where(rng.random(n) < 0.07, (kind + rng.integers(1, 3, n)) % 3, kind)
    columns = _listed({f"band_{k}": x[:, k] for k in range(5)})
    return write_table(folder / "data.csv", {**columns, "mineral": [("quartz", "mica", "olivine")[k] for k in given]})


def rare_class(folder: Path) -> Path:
    rng = np.random.default_rng(216)
    n = 1500
    fraud = rng.random(n) < 0.05
    x = rng.normal(0, 1, (n, 4)) + 1.6 * fraud[:, None]
    columns = _listed({f"amount_{k}": x[:, k] for k in range(4)})
    return write_table(folder / "data.csv", {**columns, "kind": np.where(fraud, "fraud", "usual").tolist()})


def clean_cancer(folder: Path) -> Path:
    columns, target = _cancer()
    return write_table(folder / "data.csv", {**columns, "finding": _worded(target)})


def clean_diabetes(folder: Path) -> Path:
    columns, target = _diabetes()
    return write_table(folder / "data.csv", {**columns, **_listed({"progression": target})})


def clean_groups(folder: Path) -> Path:
    """People and clinics that make no difference, dates without a drift."""
    rng = np.random.default_rng(252)
    n = 900
    x = rng.normal(0, 1, (n, 4))
    state = np.where(1.5 * x[:, 0] - x[:, 2] + rng.normal(0, 0.5, n) > 0, "yes", "no").tolist()
    start = datetime.date(2019, 1, 1)
    dates = [(start + datetime.timedelta(days=int(d))).isoformat() for d in rng.integers(0, 900, n)]
    columns = _listed({f"marker_{k}": x[:, k] for k in range(4)})
    who = [f"P{k:02d}" for k in rng.integers(0, 60, n)]
    clinic = rng.choice(["north", "south", "harbour"], n).tolist()
    return write_table(folder / "data.csv", {"patient": who, "seen_on": dates, "clinic": clinic, **columns,
                                             "relapse": state})  # fmt: skip


def clean_prices(folder: Path) -> Path:
    rng = np.random.default_rng(253)
    n = 900
    rooms, area, age = rng.integers(1, 7, n), rng.lognormal(4.2, 0.4, n), rng.uniform(0, 90, n)
    town = rng.choice(["Oviedo", "Soria", "Ronda"], n)
    level = np.array([{"Oviedo": 40.0, "Soria": 0.0, "Ronda": 60.0}[name] for name in town])
    price = 30 * rooms + 1.1 * area - 0.5 * age + level + rng.normal(0, 15, n)
    columns = _listed({"area": area, "age": age}, 1)
    return write_table(folder / "data.csv", {"rooms": rooms.tolist(), "town": town.tolist(), **columns,
                                             **_listed({"price": price}, 1)})  # fmt: skip


LABELS = {"datalab": ("label",), "deepchecks": ("Conflicting Labels",)}
COPIES = {"datalab": ("near_duplicate",), "deepchecks": ("Train Test Samples Mix", "Data Duplicates")}
ALONE = {
    "deepchecks": ("Feature Label Correlation", "Feature Label Correlation Change", "Identifier Label Correlation")
}
PLANTED = (
    Planted(name="the difference of two columns gives the class", medium="table", make=difference_gives_class,
            keys=("columns_give_target",), about="weight_in.*weight_out|weight_out.*weight_in",
            near=("one_column_decides",), options=_target("state"), peers=ALONE),
    Planted(name="the product of two columns is the number", medium="table", make=product_gives_number,
            keys=("columns_give_target",), about="width.*depth|depth.*width", near=("one_column_decides",),
            options=_target("price"), peers=ALONE),
    Planted(name="a column filled in afterwards", medium="table", make=known_afterwards, keys=("filled_in_later",),
            about="days_on_ward", near=("one_column_decides", "data_given_away"), options=_target("finding"),
            peers=ALONE),
    Planted(name="a code gives the class", medium="table", make=code_gives_class,
            keys=("data_given_away", "one_column_decides"), about="invoice_code", options=_target("finding"),
            peers=ALONE),
    Planted(name="the same patients in both parts", medium="table", make=patients_in_both, keys=("shared_group",),
            about="patient", near=("leaked_test",), options=_target("state")),
    Planted(name="a drift in time, parts drawn at random", medium="table", make=drift, keys=("test_mixed_in_time",),
            about="sold_on", options=_target("price"), peers={"datalab": ("non_iid",),
            "deepchecks": ("Date Train Test Leakage Overlap",)}),
    Planted(name="test rows that differ in one cell", medium="table", make=rows_with_another_number,
            keys=("leaked_test",), options=_target("finding"), peers=COPIES),
    Planted(name="sampled with replacement before the parts", medium="table", make=oversampled, keys=("leaked_test",),
            options=_target("finding"), peers=COPIES),
    Planted(name="one target in ten in another unit", medium="table", make=mixed_units,
            keys=("targets_in_another_unit",), about="1,000", near=("targets_probably_wrong",),
            options=_target("height"), peers={"datalab": ("label",), "deepchecks": ("Outlier Sample Detection",)}),
    Planted(name="one target in twelve is wrong", medium="table", make=slipped_numbers,
            keys=("targets_probably_wrong",), options=_target("yield"), peers={"datalab": ("label",)}),
    Planted(name="intervals too narrow where it is hot", medium="table", make=noisy_in_one_quarter,
            keys=("intervals_uneven",), about="heat", near=("intervals_do_not_cover", "slice_gap"),
            options=_target("use")),
    Planted(name="fails in the oldest quarter", medium="table", make=fails_where_old, keys=("slice_gap",), about="age",
            near=("class_gap",), options=_target("risk"), peers={"datalab": ("underperforming_group",),
            "deepchecks": ("Weak Segments Performance",)}),
    Planted(name="fails in one clinic", medium="table", make=fails_in_one_clinic, keys=("group_gap",),
            about="harbour", near=("slice_gap",), options=_target("relapse"),
            peers={"datalab": ("underperforming_group",), "deepchecks": ("Weak Segments Performance",)}),
    Planted(name="a quarter of the test labels is wrong", medium="table", make=wrong_test_labels,
            keys=("test_unlike_validation",), about="labels of the test", options=_target("finding"), peers=LABELS),
    Planted(name="one label in fourteen is wrong", medium="table", make=wrong_labels, keys=("labels_probably_wrong",),
            options=_target("mineral"), peers=LABELS),
    Planted(name="one class is twenty times rarer", medium="table", make=rare_class, keys=("imbalance",),
            about="fraud", options=_target("kind"), peers={"datalab": ("class_imbalance",),
            "deepchecks": ("Class Imbalance",)}),
)  # fmt: skip
CLEAN = (
    Planted(name="breast cancer", medium="table", make=clean_cancer, options=_target("finding")),
    Planted(name="diabetes", medium="table", make=clean_diabetes, options=_target("progression")),
    Planted(name="patients who make no difference", medium="table", make=clean_groups, options=_target("relapse")),
    Planted(name="prices", medium="table", make=clean_prices, options=_target("price")),
)
