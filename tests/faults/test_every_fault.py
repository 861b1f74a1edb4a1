"""A fault at every call that changes the disk: afterwards there is the old state or the new, and a second try succeeds.

By default some calls of each act, evenly spread; all of them with ``CAPAS_EVERY_FAULT=1``.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from tests.faults import subjects
from tests.faults.injector import Effect, Faults, in_child, injected, reaches_sqlite, with_failing_allocation
from tests.faults.subjects import SUBJECTS, Subject

EVERY = bool(os.environ.get("CAPAS_EVERY_FAULT"))
MOST_CALLS = 5  # of one act and one effect
ALLOCATIONS = tuple(int(60 * 1.5**power) for power in range(25)) if EVERY else (300, 5000)
EFFECTS: tuple[Effect, ...] = ("full", "memory", "kill")


class Trial:
    """A subject in a folder of its own, with its states before and after."""

    def __init__(self, subject: Subject, place: Path) -> None:
        self.subject, self.place, self.count = subject, place, 0
        (place / "base").mkdir()
        subject.prepare(place / "base")
        self.before = subject.state(self.fresh())
        whole = self.fresh()
        subject.act(whole)
        self.after = subject.state(whole)

    def fresh(self) -> Path:
        """A copy of the folder as ``prepare`` made it."""
        self.count += 1
        return Path(shutil.copytree(self.place / "base", self.place / str(self.count), symlinks=True))

    def calls(self, effect: Effect) -> list[str]:
        """The calls at which this effect can come."""
        with injected(Faults(effect=effect)) as counted:
            self.subject.act(self.fresh())
        return counted.names

    def check(self, folder: Path, about: str) -> None:
        """Look at ``folder`` after a fault, and try again."""
        found = self.subject.state(folder)
        assert self.subject.allowed(self.before, self.after, found), f"{about}: a third state: {found}"
        try:
            self.subject.act(folder)
        except CapasError as error:  # what is done already need not be done again
            assert found == self.after, f"{about}: not to be repeated: {error}"
        assert self.subject.state(folder) == self.after, f"{about}: another result at the second try"
        shutil.rmtree(folder)


def leftovers(folder: Path) -> set[str]:
    """Pieces of files that were being written. An index that was moved aside (``.spots.old``) is none: whoever opens
    the archive next puts it back or takes it away.
    """
    whole = (".lock", ".gitignore", ".spots.old")
    pieces = (path for path in folder.rglob("*") if path.name.startswith((".", "tmp")) and path.name not in whole)
    return {str(path.relative_to(folder)) for path in pieces}


@pytest.fixture
def fast_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: hundreds of synchronisations take their time on a disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="capas-faults-") as folder:
        yield Path(folder)


@pytest.fixture(params=SUBJECTS)
def trial(request: pytest.FixtureRequest, fast_disk: Path) -> Iterator[Trial]:
    subject = SUBJECTS[request.param]
    if subject.sqlite and not reaches_sqlite():
        pytest.skip("this SQLite does not show its system calls")
    if request.param == "run start":
        subjects.small_plan.cache_clear()
        plan = subjects.small_plan(str(fast_disk))
        subjects.small_plan.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subjects, "small_plan", lambda folder: plan)
            yield Trial(subject, fast_disk)
    else:
        yield Trial(subject, fast_disk)


def chosen(count: int, offset: int) -> list[int]:
    """Some numbers below ``count``, the first and the last among them."""
    if EVERY or count <= MOST_CALLS:
        return list(range(count))
    step = (count - 1) / (MOST_CALLS - 1)
    return sorted({min(count - 1, round(i * step) + (offset if 0 < i < MOST_CALLS - 1 else 0))
                   for i in range(MOST_CALLS)})  # fmt: skip


def failing(work: Callable[[], object], faults: Faults) -> None:
    """Do ``work`` under a fault that Python sees as an exception."""
    with injected(faults):
        try:
            work()
        except CapasError:
            pass
        except MemoryError:
            assert faults.effect == "memory"


def test_old_or_new(trial: Trial) -> None:
    assert trial.before != trial.after
    for offset, effect in enumerate(EFFECTS):
        names = trial.calls(effect)
        assert names
        for number in chosen(len(names), offset):
            about, folder = f"{effect} at call {number} ({names[number]})", trial.fresh()
            faults = Faults(effect=effect, at=number)
            kept = leftovers(folder)
            if effect == "kill":
                code = in_child(lambda f=folder, faults=faults: _under(trial, f, faults))
                # 0: closing a database may take a call less where another process has it open
                assert code == -signal.SIGKILL or (code == 0 and number > 0), f"{about}: {code}"
            else:
                failing(lambda f=folder: trial.subject.act(f), faults)
                assert leftovers(folder) <= kept, about
            trial.check(folder, about)


def _under(trial: Trial, folder: Path, faults: Faults) -> None:
    with injected(faults):
        trial.subject.act(folder)


def test_old_or_new_where_an_allocation_fails(trial: Trial) -> None:
    pytest.importorskip("_testcapi", reason="this Python cannot let allocations fail")
    for number in ALLOCATIONS:
        folder = trial.fresh()
        with_failing_allocation(number, lambda f=folder: trial.subject.act(f))
        trial.check(folder, f"allocation {number}")
