"""Blind tests: what is hidden stays hidden, limits hold against many at once, ranks say what is not shown."""

import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.evaluation.challenge import challenge as challenge_module
from capas.evaluation.challenge.challenge import Challenge, new_challenge, parse_deadline, parse_limit
from capas.evaluation.challenge.standing import current_standing, standing_page
from capas.evaluation.challenge.submissions import Limit
from tests.html_pages import HOSTILE, assert_inert

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
COUNT = 60


def answers(name: str, wrong: set[int]) -> Path:
    rows = [f"x{i},{'b' if (i % 2 == 0) == (i in wrong) else 'a'}" for i in range(COUNT)]
    path = Path(name)
    path.write_text("id,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def challenge(share: float = 0.0, limit: Limit | None = None, until: datetime | None = None) -> Challenge:
    reference = answers("secret-labels.csv", set())
    return new_challenge(Path("c"), task="classification", reference=reference, title="Cats <or> dogs", limit=limit,
                         until=until, public_share=share, now=NOW)  # fmt: skip


def key_of(error: pytest.ExceptionInfo[CapasError]) -> str:
    return error.value.key


def test_the_references_are_nowhere_in_what_is_published() -> None:
    made = challenge(share=0.3, limit=Limit(count=3, total=False), until=NOW + timedelta(days=2))
    made.submit(answers("h.csv", {1}), "us", now=NOW)
    page = standing_page(made, current_standing(made, now=NOW), "")
    public = "".join(path.read_text(encoding="utf-8") for path in Path("c/public").iterdir()) + page
    assert (
        "x3" in public and ",a" not in public and "secret-labels" not in public and str(made.rules.seed) not in public
    )
    assert Path("c/private").stat().st_mode & 0o077 == 0 and "private" in Path("c/.gitignore").read_text()
    assert "Cats &lt;or&gt; dogs" in page and "us" in page and "98" not in page


def test_a_team_is_told_the_public_part_and_ranked_on_the_rest() -> None:
    made = challenge(share=0.3, until=NOW + timedelta(days=2))
    told = made.told_part(made.score(answers("h.csv", set())).measured)
    assert told is not None and int(told.sum()) == 18
    public = {i for i in range(COUNT) if told[i]}
    received = made.submit(answers("h.csv", public), "overfitted the rest", now=NOW)
    assert received.figures[0].value == 0 and received.figures[0].n == 18
    made.submit(answers("g.csv", set(range(COUNT)) - public), "overfitted the public part", now=NOW)
    found = current_standing(made, now=NOW)
    assert [place.team for place in found.places] == ["overfitted the rest", "overfitted the public part"]
    assert [place.figure.value for place in found.places] == [1, 0] and found.units == 42 and not found.published
    assert current_standing(made, now=NOW + timedelta(days=3)).published
    assert Challenge(Path("c")).told_part(made.score(Path("h.csv")).measured).tolist() == told.tolist()  # type: ignore[union-attr]


def test_limits_days_repeats_and_the_end() -> None:
    made = challenge(limit=Limit(count=2, total=False), until=NOW + timedelta(days=2))
    first = made.submit(answers("1.csv", {1}), " Us  two ", now=NOW)
    assert first.submission.team == "Us two" and first.left == 1 and not first.repeated
    again = made.submit(answers("1.csv", {1}), "Us two", now=NOW)
    assert again.repeated and again.left == 1 and again.submission == first.submission
    with pytest.raises(CapasError):
        made.submit(Path("missing.csv"), "Us two", now=NOW)
    assert made.submit(answers("2.csv", {2}), "Us two", now=NOW).left == 0
    with pytest.raises(CapasError) as over:
        made.submit(answers("3.csv", {3}), "Us two", now=NOW)
    made.submit(answers("3.csv", {3}), "Others", now=NOW)
    made.submit(answers("3.csv", {3}), "Us two", now=NOW + timedelta(days=1))
    with pytest.raises(CapasError) as late:
        made.submit(answers("4.csv", {4}), "Us two", now=NOW + timedelta(days=2))
    made.submissions.close(NOW)
    with pytest.raises(CapasError) as closed:
        made.submit(answers("4.csv", {4}), "Us two", now=NOW + timedelta(days=1))
    assert (key_of(over), key_of(late), key_of(closed)) == ("challenge_limit", "challenge_late", "challenge_closed")


def hand_in(number: int) -> str:
    try:
        Challenge(Path("c")).submit(answers(f"{number}.csv", {number}), "us", now=NOW)
    except CapasError as error:
        return error.key
    return "filed"


def test_the_limit_holds_against_processes_at_once() -> None:
    made = challenge(limit=Limit(count=2, total=True))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        said = pool.map(hand_in, range(8), chunksize=1)
    assert sorted(said) == ["challenge_limit"] * 6 + ["filed"] * 2 and len(made.submissions.all()) == 2
    assert len(list(Path("c/private/submissions").iterdir())) == 2  # of what was not counted nothing is left


def linked(made: Challenge, how: str) -> Path:
    """The references, handed in as one's own."""
    hidden, folder = made.reference, Path("handed-in")
    match how:
        case "a link":
            Path("ours.csv").symlink_to(hidden.absolute())
            return Path("ours.csv")
        case "a second name":
            Path("ours.csv").hardlink_to(hidden)
            return Path("ours.csv")
        case "through a linked folder":
            Path("there").symlink_to(hidden.absolute().parent)
            return Path("there") / hidden.name
        case "a linked folder":
            folder.symlink_to(hidden.absolute().parent)
        case "a link in a folder":
            folder.mkdir()
            (folder / "ours.csv").symlink_to(hidden.absolute())
        case "a linked folder in a folder":
            folder.mkdir()
            (folder / "inner").symlink_to(hidden.absolute().parent)
        case _:
            return hidden
    return folder


@pytest.mark.parametrize(
    "how",
    ["itself", "a link", "a second name", "through a linked folder", "a linked folder", "a link in a folder",
     "a linked folder in a folder"],
)  # fmt: skip
def test_the_references_cannot_be_handed_in(how: str) -> None:
    made = challenge()
    with pytest.raises(CapasError) as caught:
        made.submit(linked(made, how), "us", now=NOW)
    assert key_of(caught) == "challenge_link" and not made.submissions.all()


def test_answers_that_change_while_they_are_taken_in_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a team could name an answer that counts already, and have others scored without limit."""
    made, take_in = challenge(), challenge_module._take_in
    handed_in, better = answers("h.csv", {1, 2}), answers("better.csv", set()).read_bytes()
    made.submit(handed_in, "us", now=NOW)

    def swapped(source: Path, target: Path) -> None:
        source.write_bytes(better)
        take_in(source, target)

    monkeypatch.setattr(challenge_module, "_take_in", swapped)
    with pytest.raises(CapasError) as caught:
        made.submit(handed_in, "us", now=NOW)
    assert key_of(caught) == "challenge_changed" and len(made.submissions.all()) == 1


def test_a_pipe_is_not_waited_for() -> None:
    made = challenge()
    os.mkfifo("pipe.csv")
    with pytest.raises(CapasError) as caught:
        made.submit(Path("pipe.csv"), "us", now=NOW)
    assert key_of(caught) == "unreadable"


def test_an_error_names_the_file_as_the_team_knows_it() -> None:
    made = challenge()
    Path("mine.csv").write_text("nothing of use", encoding="utf-8")
    with pytest.raises(CapasError) as caught:
        made.submit(Path("mine.csv"), "us", now=NOW)
    assert "mine.csv" in str(caught.value) and "private" not in str(caught.value)


def test_ranks_say_who_is_not_shown_to_differ_from_the_best() -> None:
    made = challenge()
    for team, wrong in (("best", {1}), ("close", {1, 2}), ("far", set(range(0, COUNT, 2))), ("tied", {3})):
        made.submit(answers(f"{team}.csv", wrong), team, now=NOW)
    made.submit(answers("worse.csv", set(range(40))), "best", now=NOW)
    places = {place.team: place for place in current_standing(made, now=NOW).places}
    assert [(t, p.rank, p.as_good_as_best) for t, p in places.items()] == [
        ("best", 1, True), ("tied", 1, True), ("close", 3, True), ("far", 4, False)
    ]  # fmt: skip
    assert places["best"].handed_in == 2 and places["far"].figure.interval is not None


def test_what_cannot_be_set_up() -> None:
    made = challenge()
    reference = Path("secret-labels.csv")
    with pytest.raises(CapasError) as twice:
        challenge()
    with pytest.raises(CapasError) as share:
        new_challenge(Path("d"), task="classification", reference=reference, public_share=1.0)
    with pytest.raises(CapasError) as past:
        new_challenge(Path("d"), task="classification", reference=reference, until=NOW, now=NOW)
    with pytest.raises(CapasError) as team:
        made.submit(reference, "a\nb\x07", now=NOW)
    with pytest.raises(CapasError) as missing:
        Challenge(Path("d"))
    found = [key_of(error) for error in (twice, share, past, team, missing)]
    assert found == ["challenge_exists", "challenge_share", "challenge_date", "challenge_team", "challenge_missing"]
    assert not Path("d").exists()


def test_limits_and_dates_as_people_write_them() -> None:
    assert parse_limit("3") == parse_limit("3/day") == parse_limit("3 per day") == Limit(count=3, total=False)
    assert parse_limit("10/total") == Limit(count=10, total=True)
    assert parse_deadline("2030-12-31") == datetime(2031, 1, 1, tzinfo=UTC)
    assert (
        parse_deadline("2030-12-31T18:00+02:00")
        == parse_deadline("2030-12-31 16:00")
        == datetime(2030, 12, 31, 16, tzinfo=UTC)
    )
    for wrong in ("0", "3/week", "often", "-1"):
        with pytest.raises(CapasError):
            parse_limit(wrong)
    with pytest.raises(CapasError):
        parse_deadline("tomorrow")


def test_titles_and_teams_on_the_page_are_text_whatever_they_hold() -> None:
    reference = answers("secret-labels.csv", set())
    made = new_challenge(Path("c"), task="classification", reference=reference, title=HOSTILE,
                         limit=Limit(count=3, total=False), until=None, public_share=0.0, now=NOW)  # fmt: skip
    made.submit(answers("h.csv", {1}), "us", now=NOW)
    found = current_standing(made, now=NOW)
    odd = replace(found, places=tuple(replace(place, team=HOSTILE) for place in found.places))
    # In title, headline and the team's row, although no team may be called so.
    assert_inert(standing_page(made, odd, "", now=NOW), texts=3)
