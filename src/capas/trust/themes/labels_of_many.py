"""Are the labels right, where an example has many: those that the model believes least, to be reviewed.

Only of the validation and test examples: a network that has learnt a label believes it, right or wrong. So this says
nothing of the training labels, and a label that the model does not believe may be right: it is a list, not a verdict.
"""

import csv
import io
from collections.abc import Sequence

from capas.core.figures import decimal, percent
from capas.core.messages import say
from capas.tasks.metrics import rate
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Gallery, Grid, Sentence, Shown
from capas.trust.many import Doubt, Many
from capas.trust.theme import Theme

SHOWN, PICTURED, LISTED = 12, 6, 300
LEAST_AGREEMENT = 0.6  # of the labels: a model that agrees with fewer can accuse none
DOUBTED = 0.5  # of the given label: a larger share of the probability is no doubt
REVIEW = "given-labels-believed-least.csv"


def labels_of_many(asked: Asked, many: Many | None) -> Theme:
    """See the module."""
    if many is None or many.kind in ("transforms", "translations"):
        return Theme(name="labels", not_computed_because=say("trust.many.no_labels"))
    positions = sorted({*many.positions("validation"), *many.positions("test")})
    doubts, checked, agreed = list[Doubt](), 0, 0
    for number, position in enumerate(positions):
        answered = many.answered(position)
        held = () if answered is None else answered.doubts
        doubts += [one for one in held if one.likely != one.given and one.probability < DOUBTED]
        checked += len(held)
        agreed += sum(one.likely == one.given for one in held)
        asked.progress(number + 1, len(positions))
    if agreed < LEAST_AGREEMENT * checked:
        share = percent(agreed / checked, 0)
        return Theme(name="labels", not_computed_because=say("trust.many.labels_not_good_enough", share=share))
    doubts.sort(key=lambda one: one.probability)
    facts: dict[str, object] = {
        "n": checked,
        "examples": len(positions),
        "agreement": rate(agreed, checked).as_json(),
        "not_believed": len(doubts),
        "first": [_named(asked, one) for one in doubts[:SHOWN]],
    }
    about = say("trust.many.labels_about", n=decimal(checked, 0), examples=decimal(len(positions), 0))
    blocks: list[Block] = [Sentence(text=about)]
    if not doubts:
        return Theme(name="labels", facts=facts, blocks=[*blocks, Sentence(text=say("trust.many.labels_none"))],
                     untested=[say("trust.many.labels_untested")])  # fmt: skip
    blocks += [Sentence(text=say("trust.many.labels_some", count=decimal(len(doubts), 0), file=REVIEW)),
               *_pictures(asked, many, doubts), _table(asked, doubts)]  # fmt: skip
    return Theme(
        name="labels", facts=facts, blocks=blocks, files={REVIEW: _review(asked, doubts)},
        untested=[say("trust.many.labels_untested")],
    )  # fmt: skip


def _named(asked: Asked, one: Doubt) -> dict[str, object]:
    record = asked.case.record
    return {"example": record.names[one.position], "split": record.splits[one.position], "place": one.place,
            "label": one.given, "model": one.likely, "probability_of_label": round(one.probability, 6)}  # fmt: skip


def _table(asked: Asked, doubts: Sequence[Doubt]) -> Grid:
    names = asked.case.record.names
    heads = [say("trust.labels.example"), say("trust.many.place"), say("trust.labels.given"), say("trust.many.model"),
             say("trust.many.of_given")]  # fmt: skip
    rows = [[names[one.position], one.place, one.given, one.likely, percent(one.probability)] for one in doubts[:SHOWN]]
    return Grid(title=say("trust.many.least_believed"), heads=heads, rows=rows, right=(4,))


def _pictures(asked: Asked, many: Many, doubts: Sequence[Doubt]) -> list[Block]:
    sense, shown = many.answers.sense, list[Shown]()
    for one in doubts[:PICTURED] if asked.case.medium == "image" and sense is not None else ():
        picture = sense.picture(many.prepared([one.position])[0]) if sense is not None else None
        if picture is not None:
            caption = say("trust.many.labels_caption", name=asked.case.record.names[one.position], given=one.given,
                          likely=one.likely)  # fmt: skip
            heat = many.answers.doubted(many.indices[one.position], one)
            shown.append(Shown(picture=picture, caption=caption, heat=heat))
    return [Gallery(title=say("trust.many.least_believed"), pictures=shown)] if shown else []


def _review(asked: Asked, doubts: Sequence[Doubt]) -> bytes:
    """The first of them as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["example", "split", "place", "label", "model", "probability_of_label"])
    writer.writerows(_named(asked, one).values() for one in doubts[:LISTED])
    return text.getvalue().encode()
