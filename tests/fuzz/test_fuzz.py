"""Hostile files: a thousand made by mutation, and a list made by hand. Only CapasError may come out of a reader, within
limits of memory and time. ``make fuzz`` goes on for longer.
"""

from pathlib import Path

import pytest

from tests.fuzz import hostile
from tests.fuzz.formats import FORMATS
from tests.fuzz.worker import (
    Case,
    Finding,
    fewer,
    findings,
    known_failure,
    mutated_cases,
    mutated_input,
    put,
    read_files,
)

EACH = 14  # inputs of a format
SEED = 1


def test_every_example_is_valid(tmp_path: Path) -> None:
    """Else the mutations would try nothing but the first line of a reader."""
    for name, found in FORMATS.items():
        if name == "coco":  # Capas says that it does not find objects
            continue
        read_files(found, found.seed(), tmp_path / name)


def test_there_are_enough_of_them() -> None:
    assert len(FORMATS) >= 40
    assert len(mutated_cases(list(FORMATS), EACH, SEED)) >= 1000
    assert mutated_input("csv", 3, 5) == mutated_input("csv", 3, 5) != mutated_input("csv", 4, 5)


def unknown(cases: list[Case]) -> str:
    """What came out that should not have, but for what is known."""
    found = [one for one in findings(cases) if not known_failure(one)]
    return "\n".join(f"{one.case}: {one.failure}" for one in fewer(found))


def test_mutated_files() -> None:
    assert unknown(mutated_cases(list(FORMATS), EACH, SEED)) == ""


def test_contents_made_by_hand() -> None:
    assert unknown(hostile.content_cases()) == ""


def test_what_is_no_file() -> None:
    assert unknown(hostile.replaced_cases()) == ""


def test_folders() -> None:
    assert unknown(hostile.folder_cases()) == ""


# --- the harness itself ----------------------------------------------------------------------------------------------


def bad(kind: str) -> Case:
    """A reader that fails in one of the ways that must be found."""

    def read(folder: Path) -> None:
        put(folder, {"a/b": b"x"})
        if kind == "raises":
            raise KeyError("x")
        if kind == "takes memory":
            bytearray(8_000_000_000)
        if kind == "dies":
            import os

            os.abort()
        if kind == "never ends":
            while True:
                pass

    return kind, read


def test_each_kind_of_failure_is_found_and_costs_no_other_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.worker.CPU_S", 0.1)
    kinds = ["fine", "raises", "fine", "dies", "takes memory", "fine", "never ends", "raises"]
    found = list(findings([bad(kind) for kind in kinds]))
    assert [one.case for one in found] == [kind for kind in kinds if kind != "fine"]
    said = [one.failure.split(" ")[0] for one in found]
    assert said == ["KeyError", "the", "MemoryError", "TookTooLong", "KeyError"]


def test_only_few_of_a_kind_are_told() -> None:
    found = [Finding(case=f"csv #{i}", failure="KeyError in a.py:1 f: x") for i in range(9)]
    assert len(fewer(found)) == 3
