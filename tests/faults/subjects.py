"""What is tried under faults: an act on a folder, and what somebody who opens the folder finds there."""

import datetime
import functools
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from capas.archive import review
from capas.archive.library.database import Library, NewPage
from capas.archive.reading.index_provenance import IndexProvenance, read_index_provenance, write_index_provenance
from capas.archive.reading.index_stores import IndexLocation, open_store, read_location
from capas.archive.reading.pages import LineReading, PageReading, ReadingJob, read_pages, reindex, spots_of_lines
from capas.archive.reading.posteriors import pack_posteriors
from capas.bundle.card import read_card
from capas.bundle.read import read_bundle
from capas.bundle.shipped import SHIPPED_READERS
from capas.bundle.write import CARD, add_file, write_bundle
from capas.core.errors import CapasError
from capas.core.files import content_hash, only_writer, write_atomic
from capas.engine.checkpoint import newest_checkpoint
from capas.engine.config import Config
from capas.engine.dataset_record import read_dataset_record
from capas.engine.decision import load_unchanged_config, write_plan
from capas.engine.events import append_event, read_events
from capas.engine.loop import Loop, ValidationScore
from capas.engine.plan import Plan, make_plan
from capas.engine.run import Run, new_run, refuse_nonempty
from capas.evaluation.challenge.challenge import Challenge, new_challenge
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, Spot, SpotStore
from capas.leaderboard.entry import Entry
from capas.leaderboard.store import Board
from capas.page_formats.page import Line
from tests.engine.toys import Duel, Judges, loop, weights

Act = Callable[[Path], object]
ORIGIN = IndexOrigin(least=0.01, temperature=1.0, model="f" * 32)
CHARACTERS = " ab"
NOON = datetime.datetime(2030, 5, 1, 12, tzinfo=datetime.UTC)


def is_before_or_after(before: object, after: object, found: object) -> bool:
    return found in (before, after)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """``act`` changes a folder that ``prepare`` made.

    ``state`` opens it anew and raises where what it finds is broken; ``allowed`` (before, after, found) says whether
    the state found after a fault is one that may be.
    """

    prepare: Act
    act: Act
    state: Act
    allowed: Callable[[object, object, object], bool] = is_before_or_after
    sqlite: bool = True


def nothing(folder: Path) -> None:
    """An empty folder."""


# --- bundles ----------------------------------------------------------------------------------------------------------


def small_network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(2, 2)


def make_bundle(folder: Path) -> None:
    card = read_card(SHIPPED_READERS["reader:medieval"] / CARD).model_copy(update={"classes": ["a", "b"], "files": {}})
    write_bundle(folder / "bundle", small_network(), {"preparation.json": {"a": 1}, "answers.json": {"b": 2}}, card)


def bundle_state(folder: Path) -> object:
    try:
        found = read_bundle(folder / "bundle")
    except CapasError as error:
        if error.key not in ("no_such_bundle", "not_a_bundle"):
            raise
        return None
    return found.card, {name: tensor.tolist() for name, tensor in found.tensors.items()}, found.files


def bundle_with_extra(folder: Path) -> None:
    make_bundle(folder)
    add_file(folder / "bundle", "detector.safetensors", b"old")


def extra_state(folder: Path) -> object:
    return dict(read_bundle(folder / "bundle").card.files).get("detector.safetensors")


# --- runs -------------------------------------------------------------------------------------------------------------


class OwnWeights(Judges):
    """A validation score that depends on the weights alone, so that it is the same when it is taken again."""

    def __init__(self, duel: Duel) -> None:
        super().__init__()
        self.duel = duel

    def __call__(self) -> ValidationScore:
        total = float(sum(tensor.sum() for tensor in weights(self.duel).values()))
        return ValidationScore(metric="accuracy", value=-total, loss=total, n=10)


def train(folder: Path) -> None:
    """Start a run or go on with it, as ``capas train`` and ``capas resume`` do."""
    duel = Duel()
    training: Loop[torch.Tensor] = loop(duel, folder / "checkpoints", steps=6, evaluate=OwnWeights(duel), ema=0.5,
                                        train={"checkpoint_steps": 2, "evaluations": 3})  # fmt: skip
    with only_writer(folder):
        for event in training.run():
            append_event(folder / "events.jsonl", event)
        write_atomic(folder / "weights.safetensors", save(weights(duel)))


def train_half(folder: Path) -> None:
    duel = Duel()
    training = loop(duel, folder / "checkpoints", steps=6, evaluate=OwnWeights(duel), ema=0.5,
                    train={"checkpoint_steps": 2, "evaluations": 3})  # fmt: skip
    for event in training.run():
        append_event(folder / "events.jsonl", event)
        if event.kind == "saved" and event.step >= 3:
            return


def run_state(folder: Path) -> object:
    newest_checkpoint(folder / "checkpoints")
    if (folder / "events.jsonl").exists():
        list(read_events(folder / "events.jsonl"))
    done = folder / "weights.safetensors"
    return done.read_bytes() if done.exists() else None


@functools.cache
def small_plan(folder: str) -> Plan:
    table = Path(folder, "table.csv")
    table.write_text("size,kind\n" + "".join(f"{i % 7}.5,{'big' if i % 7 > 3 else 'small'}\n" for i in range(60)))
    return make_plan(Config.model_validate({"data": {"source": str(table)}}))


def start_run(folder: Path) -> None:
    run = new_run(folder / "run", "table.csv")
    with only_writer(run.folder):
        refuse_nonempty(run.folder)
        write_plan(run, small_plan(""))


def start_state(folder: Path) -> object:
    run = Run(folder=folder / "run")
    if not run.config.exists():
        return None
    return load_unchanged_config(run), read_dataset_record(run).as_json()


# --- archives ---------------------------------------------------------------------------------------------------------


def new_pages(*numbers: int) -> list[NewPage]:
    return [NewPage(unit=f"notaries/160{i}", label=f"{i}r", source=f"/scans/{i}.png", frame=0, hash=f"{i}" * 32,
                    width=900, height=400) for i in numbers]  # fmt: skip


def lines(count: int) -> tuple[Line, ...]:
    return tuple(Line(id=f"l{i}", baseline=((60.0, 100.0 * i + 50), (840.0, 100.0 * i + 50))) for i in range(count))


@functools.cache
def posteriors(text: str) -> bytes:
    """A frame of each letter, a blank behind it."""
    found = np.full((2 * len(text), 1 + len(CHARACTERS)), 0.01)
    found[np.arange(len(found)), [label for c in text for label in (CHARACTERS.index(c) + 1, 0)]] = 0.97
    return pack_posteriors(found)


MAKING = IndexProvenance(reader="made", model=ORIGIN.model, temperature=1.0, min_probability=0.01, height=48,
                         columns=4, characters=CHARACTERS)  # fmt: skip


def read_texts(page: int, *texts: str) -> PageReading:
    contents = [posteriors(text) for text in texts]
    spots = list(spots_of_lines(contents, MAKING.alphabet, page=page, least=0.01))
    return PageReading(page=page, lines=lines(len(texts)), origin="found", readings=tuple(
        LineReading(text=text, confidence=0.9, posteriors=content, spots=found)
        for text, content, found in zip(texts, contents, spots, strict=True)
    ))  # fmt: skip


class MadeReadings:
    """Workers that answer at once."""

    def outcomes(self, jobs: Iterator[ReadingJob]) -> Iterator[list[PageReading]]:
        for job in jobs:
            yield [read_texts(page.id, "ab ba", "a bb") for page, _ in job.pages]


def archive(folder: Path) -> Library:
    return Library.open(folder / "archive")


def make_archive(folder: Path) -> None:
    library = Library.create(folder / "archive", "Notaries")
    library.add_pages(new_pages(1, 2))
    write_index_provenance(library, MAKING)


def make_read_archive(folder: Path, place: IndexLocation | None = None) -> None:
    make_archive(folder)
    read_all(folder)
    if place is not None:
        reindex(archive(folder), MAKING.alphabet, MAKING.origin, lambda done, of: None, place)


def read_all(folder: Path) -> None:
    read_pages(archive(folder), MadeReadings(), MAKING.origin)  # type: ignore[arg-type]


def archive_state(folder: Path) -> object:
    """All tables; None where there is no archive."""
    try:
        library = archive(folder)
    except CapasError as error:
        if error.key != "no_archive":
            raise
        return None
    with library.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = ("facts", "pages", "lines", "posteriors", "reviews")
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def store_content(store: SpotStore) -> object:
    return store.origin, sorted(store.pages()), sorted(map(repr, store.everything())), store.histogram(["ab", "a"])


def index_state(folder: Path) -> object:
    library = archive(folder)
    with open_store(library, read_location(library)) as store:
        return store_content(store)


def pages_state(folder: Path) -> object:
    """What is found of each page that counts as read: its lines, and its spots in the index."""
    library = archive(folder)
    done = [page for page in library.pages() if page.model]
    if not done:
        return {}
    with open_store(library, read_location(library)) as store:
        spots = list(store.everything())
        return {
            page.id: (library.lines(page.id), library.posteriors(page.id), [s for s in spots if s.page == str(page.id)])
            for page in done
        }


def each_page_is_whole(before: object, after: object, found: object) -> bool:
    assert isinstance(found, dict) and isinstance(after, dict)
    return all(after[page] == held for page, held in found.items())


def reindex_with(folder: Path, kind: str, least: float) -> None:
    library = archive(folder)
    origin = IndexOrigin(least=least, temperature=1.0, model=ORIGIN.model)
    place = IndexLocation(kind=kind)  # type: ignore[arg-type]
    reindex(library, read_index_provenance(library).alphabet, origin, lambda done, of: None, place)


def correct(folder: Path) -> None:
    with patch.object(review, "_now", lambda: "2030-05-01T12:00:00+00:00"):
        review.record_correction(archive(folder), 1, "l0", "aa bb", "Ana", text_before="ab ba")


def spots(page: str, *words: str) -> list[Spot]:
    return [Spot(word=word, probability=0.5, page=page, line=0, start=i, end=i + 1) for i, word in enumerate(words)]


def add_spots(folder: Path, page: str, *words: str) -> None:
    with SqliteSpots(folder / "spots.sqlite", ORIGIN) as store:
        store.add([page], spots(page, *words))


def compact(folder: Path) -> None:
    with SqliteSpots(folder / "spots.sqlite", ORIGIN) as store:
        store.compact()


def two_pages_replaced(folder: Path) -> None:
    for page in "112":
        add_spots(folder, page, *(f"w{i}" for i in range(40)))


def compacted_state(folder: Path) -> object:
    """The spots, and whether the room of replaced pages has been freed."""
    content = spots_state(folder)
    with closing(sqlite3.connect(folder / "spots.sqlite")) as connection:
        return content, connection.execute("SELECT count(*) FROM gone").fetchone()


def spots_state(folder: Path) -> object:
    try:
        with SqliteSpots(folder / "spots.sqlite") as store:
            return store_content(store)
    except CapasError as error:
        if error.key != "spots_missing":
            raise
        return None


# --- board and challenge ----------------------------------------------------------------------------------------------


def entry(number: int) -> Entry:
    return Entry(task="classify", medium="image", data="digits", data_hash="aa", split="test", protocol="once",
                 metric="accuracy", value=0.9, n=1000, model="mine", network="compact", weights_hash=f"w{number}",
                 parameters=1000, created="2030-01-01T00:00:00+00:00", capas="0.1.0")  # fmt: skip


def board(folder: Path) -> Board:
    return Board(folder / "deep" / "board.sqlite")


def answers(folder: Path, name: str, wrong: int) -> Path:
    path = folder / name
    path.write_text("id,label\n" + "".join(f"x{i},{'ab'[(i % 2) ^ (i < wrong)]}\n" for i in range(8)))
    return path


def make_references(folder: Path) -> None:
    answers(folder, "references.csv", 0)
    answers(folder, "hypothesis.csv", 1)


def make_challenge(folder: Path) -> None:
    new_challenge(folder / "c", task="classification", reference=folder / "references.csv", now=NOON)


def references_and_challenge(folder: Path) -> None:
    make_references(folder)
    make_challenge(folder)


def submit(folder: Path) -> None:
    Challenge(folder / "c").submit(folder / "hypothesis.csv", "us", now=NOON)


def challenge_state(folder: Path) -> object:
    try:
        found = Challenge(folder / "c")
    except CapasError as error:
        if error.key != "challenge_missing":
            raise
        return None
    assert content_hash(found.reference.read_bytes()) == content_hash((folder / "references.csv").read_bytes())
    published = sorted(path.name for path in (folder / "c" / "public").iterdir())
    filed = found.submissions.all()
    assert all(content_hash((found.private / one.path).read_bytes()) == one.hash for one in filed)
    return published, [(one.team, one.hash, one.value) for one in filed]


def json_state(folder: Path) -> object:
    return json.loads((folder / "facts.json").read_text())


FONDS = IndexLocation(kind="fonds")
SUBJECTS: dict[str, Subject] = {
    "file": Subject(
        prepare=lambda folder: (folder / "facts.json").write_text("[1]"),
        act=lambda folder: write_atomic(folder / "facts.json", "[2, 3]"), state=json_state, sqlite=False,
    ),
    "bundle": Subject(prepare=nothing, act=make_bundle, state=bundle_state, sqlite=False),
    "bundle: file added": Subject(
        prepare=make_bundle, act=lambda folder: add_file(folder / "bundle", "detector.safetensors", b"new"),
        state=extra_state, sqlite=False,
    ),
    "bundle: file replaced": Subject(
        prepare=bundle_with_extra, act=lambda folder: add_file(folder / "bundle", "detector.safetensors", b"new"),
        state=extra_state, sqlite=False, allowed=lambda before, after, found: found in (before, after, None),
    ),
    "train": Subject(prepare=nothing, act=train, state=run_state, sqlite=False),
    "resume": Subject(prepare=train_half, act=train, state=run_state, sqlite=False),
    "run start": Subject(prepare=nothing, act=start_run, state=start_state, sqlite=False),
    "archive new": Subject(
        prepare=nothing, act=lambda folder: Library.create(folder / "archive", "Notaries"), state=archive_state
    ),
    "archive add": Subject(
        prepare=make_archive, act=lambda folder: archive(folder).add_pages(new_pages(2, 3, 4)), state=archive_state
    ),
    "archive lines": Subject(
        prepare=make_read_archive, act=lambda folder: archive(folder).set_lines(1, lines(3), origin="found"),
        state=archive_state,
    ),
    "archive answers": Subject(
        prepare=make_read_archive, state=archive_state,
        act=lambda folder: archive(folder).set_answers(1, [("b", 0.5, posteriors("b"))] * 2, "e" * 32),
    ),
    "archive correction": Subject(prepare=make_read_archive, act=correct, state=archive_state),
    "archive read": Subject(prepare=make_archive, act=read_all, state=pages_state, allowed=each_page_is_whole),
    "archive index": Subject(
        prepare=make_read_archive, act=lambda folder: reindex_with(folder, "file", 0.2), state=index_state
    ),
    "archive index by fonds": Subject(
        prepare=lambda folder: make_read_archive(folder, FONDS), state=index_state,
        act=lambda folder: reindex_with(folder, "fonds", 0.2),
    ),
    "archive index moved": Subject(
        prepare=make_read_archive, act=lambda folder: reindex_with(folder, "fonds", 0.2), state=index_state
    ),
    "spots new": Subject(prepare=nothing, act=lambda folder: add_spots(folder, "1", "a", "b"), state=spots_state,
                         allowed=lambda before, after, found: found in (before, after) or spots_of(found) == []),
    "spots added": Subject(
        prepare=two_pages_replaced, act=lambda folder: add_spots(folder, "2", "new", "words"), state=spots_state
    ),
    "spots compacted": Subject(prepare=two_pages_replaced, act=compact, state=compacted_state),
    "board new": Subject(
        prepare=nothing, act=lambda folder: board(folder).add([entry(1)]), state=lambda folder: board(folder).entries()
    ),
    "board add": Subject(
        prepare=lambda folder: board(folder).add([entry(1), entry(2)]),
        act=lambda folder: board(folder).add([entry(2), entry(3)]), state=lambda folder: board(folder).entries(),
    ),
    "challenge new": Subject(prepare=make_references, act=make_challenge, state=challenge_state),
    "challenge submission": Subject(prepare=references_and_challenge, act=submit, state=challenge_state),
}  # fmt: skip


def spots_of(state: object) -> object:
    """The spots in what ``store_content`` gave."""
    return state[2] if isinstance(state, tuple) else None
