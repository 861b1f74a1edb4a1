"""A blind test: teams submit answers to inputs whose references only the organiser has.

``public/`` is for publishing: the task, its rules, the list of inputs, the ranking. ``private/`` holds the references,
the submissions and their record, and is readable by its owner alone. With a public share, a part of the references
(drawn by a secret seed) tells each team its own score; the ranking is on the rest, so that frequent submissions do not
overfit it (Blum & Hardt, "The Ladder", ICML 2015, on why that is needed).
"""

import json
import math
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.files import (
    LOCK,
    content_hash,
    only_writer,
    open_regular,
    read_regular,
    sync_folder,
    write_atomic,
    write_error,
    write_json,
)
from capas.evaluation.bootstrap import (
    LOWER_IS_BETTER,
    EvaluatedMetric,
    SystemMeasurements,
    headline_metric,
    metrics_with_intervals,
)
from capas.evaluation.challenge.description import description
from capas.evaluation.challenge.submissions import Limit, Submission, Submissions
from capas.evaluation.results import EvaluationResult, Given
from capas.evaluation.scorers import scorer_of

PUBLIC: Final = "public"
PRIVATE: Final = "private"
RULES: Final = "challenge.json"
GIT_IGNORE: Final = ".gitignore"
_FILES: Final = ("uem", "glm")  # options that name files, which are kept with the references
_LONGEST_NAME: Final = 60


class ChallengeRules(BaseModel):
    """The settings of a challenge (``private/challenge.json``); ``until`` is a time with its zone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    task: str
    reference: str
    options: dict[str, str | bool | int | float]
    limit: int | None
    limit_total: bool
    until: datetime | None
    public_share: float
    seed: int

    @property
    def most(self) -> Limit | None:
        """The limit per team."""
        return None if self.limit is None else Limit(count=self.limit, total=self.limit_total)


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmissionReceipt:
    """What a team is told of a submission.

    Attributes:
        submission: The submission.
        figures: Metrics on all, or on the public part.
        lacks: What the answers lack.
        left: How many more are allowed; None without a limit.
        repeated: Whether the same content was submitted before.
    """

    submission: Submission
    figures: tuple[EvaluatedMetric, ...]
    lacks: tuple[str, ...]
    left: int | None
    repeated: bool


class Challenge:
    """The challenge in ``folder``. Raises CapasError ``challenge_missing`` or ``challenge_broken``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = folder / PRIVATE
        path = self.private / RULES
        try:
            self.rules = ChallengeRules.model_validate_json(read_regular(path))
        except FileNotFoundError as error:
            raise CapasError("challenge_missing", where=folder) from error
        except (OSError, ValidationError, ValueError) as error:
            raise CapasError("challenge_broken", where=path, received=str(error).split("\n")[0]) from error
        self.submissions = Submissions(self.private / "submissions.sqlite")

    @property
    def reference(self) -> Path:
        """Path of the references."""
        return self.private / self.rules.reference

    @property
    def options(self) -> Given:
        """The scoring options; files are those kept here."""
        return {name: str(self.private / str(value)) if name in _FILES else value
                for name, value in self.rules.options.items()}  # fmt: skip

    def score(self, hypothesis: Path) -> EvaluationResult:
        """Score all of ``hypothesis``."""
        return scorer_of(self.rules.task).score(self.reference, hypothesis, self.options)

    @property
    def lower_is_better(self) -> bool:
        """Whether lower values of the ranking metric are better."""
        return scorer_of(self.rules.task).headline in LOWER_IS_BETTER

    def told_part(self, measured: SystemMeasurements) -> Tensor | None:
        """Return the units whose metrics a team is told: bool (U,), or None for all."""
        return None if not self.rules.public_share else public_part(len(measured.units), self.rules)

    def ranked_part(self, measured: SystemMeasurements) -> Tensor | None:
        """Return the units that teams are ranked on."""
        told = self.told_part(measured)
        return None if told is None else ~told

    def is_over(self, now: datetime) -> bool:
        """Return whether submissions are closed."""
        return self.submissions.is_closed() or (self.rules.until is not None and now >= self.rules.until)

    def submit(self, hypothesis: Path, team: str, *, now: datetime | None = None) -> SubmissionReceipt:
        """Score and store a submission. What cannot be scored is refused and not counted.

        Raises:
            CapasError: ``challenge_team``, ``challenge_late``, ``challenge_closed``, ``challenge_limit``,
                ``challenge_link``, ``challenge_changed`` and those of the scoring.
        """
        now = now or datetime.now(UTC)
        team = team_name(team)
        if self.rules.until is not None and now >= self.rules.until:
            raise CapasError("challenge_late", where=self.folder, received=format_time(now),
                             until=format_time(self.rules.until))  # fmt: skip
        self._refuse_links(hypothesis)
        digest = _digest(hypothesis)
        self.submissions.check(team, digest, now=now, limit=self.rules.most)
        with self._taken_in(hypothesis, digest) as taken:
            return self._scored(taken, digest, team, now)

    def _scored(self, taken: Path, digest: str, team: str, now: datetime) -> SubmissionReceipt:
        scored = self.score(taken)
        told = self.told_part(scored.measured)
        value = headline_metric(scored.measured, chosen=told).value
        # Where the part holds nothing to be found, nothing was found: the last of all.
        value = value if math.isfinite(value) else math.inf if self.lower_is_better else -math.inf
        before = {one.hash for one in self.submissions.all() if one.team == team}
        filed = self.submissions.add(team, digest, value, now=now, limit=self.rules.most,
                                     keep=lambda: self._keep(taken, digest))  # fmt: skip
        left = self.submissions.left(team, now=now, limit=self.rules.most)
        figures = metrics_with_intervals(scored.measured, chosen=told)
        return SubmissionReceipt(
            submission=filed, figures=figures, lacks=scored.lacks, left=left, repeated=digest in before
        )

    @contextmanager
    def _taken_in(self, hypothesis: Path, digest: str) -> Iterator[Path]:
        """A copy in the challenge's own folder, which nobody changes while it is scored; gone afterwards unless it was
        kept.
        """
        place = self.private / "submissions"
        try:
            place.mkdir(exist_ok=True)
            scratch = Path(tempfile.mkdtemp(dir=place))
        except OSError as error:
            raise write_error(place, error) from error
        try:
            _take_in(hypothesis, scratch / hypothesis.name)
            if _digest(scratch / hypothesis.name) != digest:
                raise CapasError("challenge_changed", where=hypothesis)
            yield scratch / hypothesis.name
        except CapasError as error:  # the team knows its file by its own name
            raise error.renamed(str(scratch / hypothesis.name), str(hypothesis)) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _keep(self, taken: Path, digest: str) -> str:
        """Put what was taken in under its hash; the path relative to the private folder."""
        place = self.private / "submissions" / digest
        try:
            if not place.exists():
                taken.parent.rename(place)
                sync_folder(place.parent)
        except OSError as error:
            raise write_error(place, error) from error
        return (place / next(place.iterdir()).name).relative_to(self.private).as_posix()

    def _refuse_links(self, hypothesis: Path) -> None:
        """Raise CapasError ``challenge_link`` for symbolic links, and for files of the challenge itself under whatever
        name: the references would score 100 %.
        """
        if hypothesis.resolve().is_relative_to(self.private.resolve()):
            raise CapasError("challenge_link", where=hypothesis, received=hypothesis)
        own = {_identity(file) for file in _files(self.private)} - {None}
        for file in _files(hypothesis):
            if file.is_symlink() or _identity(file) in own:
                raise CapasError("challenge_link", where=hypothesis, received=file)


def new_challenge(
    folder: Path, *, task: str, reference: Path, title: str = "", limit: Limit | None = None,
    until: datetime | None = None, public_share: float = 0.0, options: Given | None = None,
    now: datetime | None = None,
) -> Challenge:  # fmt: skip
    """Create a challenge in ``folder``, which must be empty or new.

    Raises:
        CapasError: ``challenge_exists``, ``challenge_share``, ``challenge_date``, and those of reading the reference.
    """
    options = dict(options or {})
    _refuse_used(folder)
    if until is not None and until <= (now or datetime.now(UTC)):
        raise CapasError("challenge_date", where="--until", received=format_time(until))
    inputs = scorer_of(task).inputs(reference, options)
    if not 0 <= public_share < 1 or (public_share and len(inputs) < 2):
        raise CapasError("challenge_share", where="--public-share", received=f"{public_share:g}", units=len(inputs))
    rules = ChallengeRules(
        title=title or folder.resolve().name,
        task=task,
        reference=f"reference/{reference.resolve().name}",
        options={**options, **{name: _kept_name(name, options) for name in _FILES if options.get(name)}},
        limit=None if limit is None else limit.count,
        limit_total=limit is not None and limit.total,
        until=until,
        public_share=public_share,
        seed=secrets.randbelow(2**62),
    )
    with only_writer(folder):
        _refuse_used(folder)  # another may have taken it meanwhile
        try:
            _clear_begun(folder)
            _write_challenge(folder, rules, reference, options, inputs)
        except OSError as error:
            raise write_error(folder, error) from error
        (folder / LOCK).unlink(missing_ok=True)
    return Challenge(folder)


def _write_challenge(
    folder: Path, rules: ChallengeRules, reference: Path, options: Given, inputs: Sequence[str]
) -> None:
    """Write the files of a new challenge; the rules last, because they are what makes a folder a challenge."""
    private = folder / PRIVATE
    private.mkdir(mode=0o700)
    private.chmod(0o700)
    for name in _FILES:
        if options.get(name):
            _copy(Path(str(options[name])), private / _kept_name(name, options))
    # Its name may matter (Kaldi's "text"), and a folder of its own keeps it from clashing with ours.
    _copy(reference, private / "reference" / reference.resolve().name)
    write_atomic(folder / PUBLIC / "inputs.txt", "\n".join(inputs) + "\n")
    write_atomic(folder / PUBLIC / "README.md", description(rules.title, rules.task, rules.options, rules.most,
                                                            rules.until, rules.public_share))  # fmt: skip
    write_atomic(folder / GIT_IGNORE, f"/{PRIVATE}/\n")
    write_json(private / RULES, json.loads(rules.model_dump_json()))


def _kept_name(option: str, options: Given) -> str:
    """The name of our copy of a file that an option names."""
    return f"{option}{Path(str(options[option])).suffix}"


def _refuse_used(folder: Path) -> None:
    """Raise CapasError ``challenge_exists`` where the folder holds anything but what a killed ``new_challenge`` left:
    our lock, and no rules.
    """
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    begun = LOCK in held and held <= {LOCK, PRIVATE, PUBLIC, GIT_IGNORE, *_pieces(held)}
    if folder.exists() and (not folder.is_dir() or (held and not begun) or (folder / PRIVATE / RULES).exists()):
        raise CapasError("challenge_exists", where=folder)


def _clear_begun(folder: Path) -> None:
    """Delete what ``_refuse_used`` lets pass."""
    for name in (PRIVATE, PUBLIC):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (GIT_IGNORE, *_pieces(path.name for path in folder.iterdir())):
        (folder / name).unlink(missing_ok=True)


def _pieces(names: Iterable[str]) -> list[str]:
    """Those that ``write_atomic`` was writing."""
    return [name for name in names if name.startswith(f".{GIT_IGNORE}.")]


def public_part(units: int, rules: ChallengeRules) -> Tensor:
    """Return the public units: bool (U,), at least one and not all."""
    count = min(units - 1, max(1, round(rules.public_share * units)))
    rng = torch.Generator().manual_seed(rules.seed)
    told = torch.zeros(units, dtype=torch.bool)
    told[torch.randperm(units, generator=rng)[:count]] = True
    return told


def team_name(text: str) -> str:
    """Return a team's name with single spaces. Raises CapasError ``challenge_team``."""
    name = " ".join(text.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CapasError("challenge_team", where="--team", received=text, most=_LONGEST_NAME)
    return name


def parse_limit(text: str) -> Limit:
    """Parse ``3``, ``3/day`` or ``10/total``. Raises CapasError ``challenge_limit_form``."""
    parts = re.fullmatch(r"([1-9]\d{0,5})(?:\s*(?:/|per| )\s*(day|total))?", text.strip())
    if parts is None:
        raise CapasError("challenge_limit_form", where="--limit", received=text)
    return Limit(count=int(parts[1]), total=parts[2] == "total")


def parse_deadline(text: str) -> datetime:
    """Parse a date (to its end, in UTC) or a time; UTC where it names no zone. Raises CapasError ``challenge_date``."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise CapasError("challenge_date", where="--until", received=text) from error
    if re.fullmatch(r"[\d-]+|\d{4}-?W[\d-]+", text.strip()):
        return datetime.combine(moment.date() + timedelta(days=1), time(), tzinfo=UTC)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Return a time to the minute, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _files(path: Path) -> list[Path]:
    """What is not a folder at or below ``path``, links included and not followed, in the order of the names."""
    if not path.is_dir() or path.is_symlink():
        return [path] if path.exists() or path.is_symlink() else []
    return sorted(
        Path(folder, name) for folder, inner, names in os.walk(path) for name in (*names, *_links(folder, inner))
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """What a file is, whatever its name; None where it is gone: others hand in and are done meanwhile."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _links(folder: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_symlink()]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy_synced)
    else:
        _copy_synced(source, target)


def _copy_synced(source: str | Path, target: str | Path) -> None:
    with open_regular(Path(source)) as stream, Path(target).open("xb") as written:
        shutil.copyfileobj(stream, written)
        written.flush()
        os.fsync(written.fileno())


def _take_in(source: Path, target: Path) -> None:
    """Copy what a team hands in, following no link. Raises CapasError ``disk_full`` or ``cannot_write``."""
    copy = target
    try:
        if source.is_dir():
            target.mkdir(parents=True)
        for file in _files(source):
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with open_regular(file, follow_links=False) as stream, copy.open("xb") as written:
                shutil.copyfileobj(stream, written)
                written.flush()
                os.fsync(written.fileno())  # before the team is told that it is here
    except OSError as error:
        raise write_error(copy, error) from error


def _digest(path: Path) -> str:
    """What names the content of a file, or of a folder with the names in it. Raises CapasError ``score_no_file``."""
    try:
        if path.is_dir():
            parts = [
                f"{file.relative_to(path).as_posix()}\0{content_hash(read_regular(file, follow_links=False))}"
                for file in _files(path)
            ]  # fmt: skip
            return content_hash("\n".join(parts).encode("utf-8", "surrogateescape"))
        return content_hash(read_regular(path, follow_links=False))
    except FileNotFoundError as error:
        raise CapasError("score_no_file", where=path) from error
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
