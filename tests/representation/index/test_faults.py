"""A full disk, and a kill, at every call that changes it: what was acknowledged is there, and nothing is half there."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.representation.index import cell_building, cells, search, writer
from capas.representation.index.cell_building import update_cells
from capas.representation.index.manifest import holds_index
from capas.representation.index.rebuild import rebuild_index
from capas.representation.index.search import SimilarityIndex
from capas.representation.index.snapshot import IndexSnapshot
from capas.representation.index.writer import IndexWriter
from tests.faults.injector import Faults, in_child, injected
from tests.representation.index.made_index import DATA, index_of, item, random_rows

ROWS = random_rows(6)


def add(folder: Path) -> None:
    with IndexWriter(folder) as opened:
        opened.add(DATA, [item(number) for number in range(3, 6)], ROWS[3:])


def remove(folder: Path) -> None:
    with IndexWriter(folder) as opened:
        opened.remove(np.array([0, 1]))


def state(folder: Path) -> object:
    """Names and vectors."""
    snapshot = IndexSnapshot(folder)
    rows = np.flatnonzero(snapshot.alive)
    return [(one.item.name, one.data) for one in snapshot.items(rows)], snapshot.vectors(rows).tolist()


def prepared(place: Path) -> Path:
    """Three items, one of which was removed before."""
    folder = index_of(place, ROWS[:3])
    with IndexWriter(folder) as opened:
        opened.remove(np.array([2]))
    return folder


@pytest.mark.parametrize("effect", ["full", "kill"])
@pytest.mark.parametrize("act", [add, remove, rebuild_index])
def test_before_or_after(tmp_path: Path, act: Callable[[Path], object], effect: str) -> None:
    made = prepared(tmp_path)
    allowed = [state(made)]
    after = shutil.copytree(made, tmp_path / "after")
    with injected(Faults()) as counted:
        act(after)
    allowed.append(state(tmp_path / "after"))
    calls = len(counted.names)
    assert calls >= 2
    for number in range(calls):
        folder = shutil.copytree(made, tmp_path / f"at-{number}")
        faults = Faults(effect="kill" if effect == "kill" else "full", at=number)

        def fail(folder: Path = folder, faults: Faults = faults) -> None:
            with injected(faults):
                act(folder)

        if effect == "kill":
            assert in_child(fail) == -signal.SIGKILL
        else:
            fails_or_not(fail)
        assert state(folder) in allowed, counted.names[number]
        if number % 4 == 0:  # and it can be gone on with
            add(folder)
            assert len(IndexSnapshot(folder)) >= 3


def some_of(calls: int) -> list[int]:
    """Some calls, the last ones all: there the files change places."""
    return sorted({*range(0, calls, 6), *range(max(0, calls - 5), calls)})


def fails_or_not(act: Callable[[], object]) -> None:
    """A full disk is told; what needs no room may succeed."""
    try:
        act()
    except CapasError as error:
        assert error.key == "disk_full"


@pytest.mark.parametrize("effect", ["full", "kill"])
def test_an_index_that_is_made_is_there_or_can_be_made_again(tmp_path: Path, effect: str) -> None:
    (tmp_path / "whole").mkdir()
    with injected(Faults()) as counted:
        index_of(tmp_path / "whole", ROWS[:3])
    for number in some_of(len(counted.names)):
        place = tmp_path / str(number)
        place.mkdir()
        faults = Faults(effect="kill" if effect == "kill" else "full", at=number)

        def fail(place: Path = place, faults: Faults = faults) -> None:
            with injected(faults):
                index_of(place, ROWS[:3])

        if effect == "kill":
            assert in_child(fail) == -signal.SIGKILL
        else:
            fails_or_not(fail)
        if not holds_index(place / "index"):
            index_of(place, ROWS[:3])
        elif len(IndexSnapshot(place / "index")) == 0:
            with IndexWriter(place / "index") as opened:
                opened.add(DATA, [item(number) for number in range(3)], ROWS[:3])
        assert state(place / "index") == state(tmp_path / "whole" / "index")


@pytest.mark.parametrize("effect", ["full", "kill"])
def test_cells_are_whole_or_are_done_without(tmp_path: Path, effect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (search, cell_building):
        monkeypatch.setattr(module, "EXACT_ROWS", 20)
    monkeypatch.setattr(cells, "physical_cores", lambda: 1)  # threads do not come along into a forked process
    monkeypatch.setattr(cell_building, "measure_recall", lambda *given: (4, {"value": 1.0, "n": 1}))
    made = index_of(tmp_path, random_rows(24))
    update_cells(made, lambda done, total: None)
    with IndexWriter(made) as opened:
        opened.add(DATA, [item(60)], random_rows(1, seed=4))
    after = shutil.copytree(made, tmp_path / "after")
    with injected(Faults()) as counted:
        update_cells(after, lambda done, total: None, anew=True)
    for number in some_of(len(counted.names)):
        folder = shutil.copytree(made, tmp_path / f"at-{number}")
        faults = Faults(effect="kill" if effect == "kill" else "full", at=number)

        def fail(folder: Path = folder, faults: Faults = faults) -> None:
            with injected(faults):
                update_cells(folder, lambda done, total: None, anew=True)

        if effect == "kill":
            assert in_child(fail) == -signal.SIGKILL
        else:
            fails_or_not(fail)
        [hit] = SimilarityIndex(folder).search(random_rows(1, seed=4)[0], 1).items[0]
        assert hit.found.item == item(60)


def test_every_acknowledged_batch_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BATCH_ROWS", 2)
    made = index_of(tmp_path, ROWS[:0])
    for number in range(1, 12):
        folder = shutil.copytree(made, tmp_path / str(number))
        acknowledged = tmp_path / f"{number}.txt"

        def fill(folder: Path = folder, number: int = number, told: Path = acknowledged) -> None:
            with IndexWriter(folder) as opened:
                for batch in range(3):
                    with injected(Faults(effect="kill", at=number - 3 * batch)):
                        opened.add(DATA, [item(2 * batch), item(2 * batch + 1)], ROWS[2 * batch : 2 * batch + 2])
                    told.write_text(str(batch + 1))

        in_child(fill)
        least = int(acknowledged.read_text()) if acknowledged.exists() else 0
        assert len(IndexSnapshot(folder)) in (2 * least, 2 * least + 2)


def test_a_batch_is_synchronised_before_it_is_acknowledged(tmp_path: Path) -> None:
    folder = index_of(tmp_path, ROWS[:1])
    with injected(Faults()) as counted, IndexWriter(folder) as opened:
        before = len(counted.names)
        opened.add(DATA, [item(1)], ROWS[1:2])
        assert counted.names[before:] == ["write", "fsync"] * 3  # rows, lines, and then the record that names them
