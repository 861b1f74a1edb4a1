"""Content-destroying probes: what is left is no reason for an answer, so a model that is still right rests on a mark.

Of a picture only its median colour, or only its finest grain; of a text only the words that stand in most texts
of one class and in hardly any other (a footer, a signature); of a sound only one stretch (a beep at the start).
"""

from typing import Final

import torch

from capas.core.i18n import say
from capas.core.number_format import format_metric
from capas.metrics.rate import Rate, rate
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding

PROBED: Final = 200
DECIDES: Final = 0.6  # of what is right beyond guessing


def decides(alone: Rate, guessed: float, whole: float) -> bool:
    """Return whether what is left decides by itself: most of what is right beyond guessing."""
    return alone.interval[0] - guessed > DECIDES * max(0.05, whole - guessed)


def content_probe_facts(subject: ModelUnderTest) -> tuple[dict[str, object], list[Finding]]:
    """Return the accuracy on each probe of the medium, and a finding for what decides by itself; classes only."""
    if subject.run_context.task != "classify":
        return {}, []
    chosen = torch.randperm(len(subject.test), generator=subject.run_context.rng("content probes"))[:PROBED]
    targets = subject.test.targets[chosen]
    given = [subject.test.prepared[i] for i in chosen.tolist()]
    learnt = subject.train if "train" in subject.run_context.record.splits else None
    train, labels = ([], []) if learnt is None else (learnt.prepared, learnt.targets.tolist())
    probes = subject.adapter.content_probes(given, train, labels)
    right = {name: subject.predictions(inputs).argmax(1) == targets for name, inputs in probes.items()}
    found = {name: rate(int(hits.sum()), len(hits)) for name, hits in right.items()}
    guessed = float(torch.bincount(targets).max() / max(1, len(targets)))
    whole = float((subject.test.predictions.argmax(1)[chosen] == targets).float().mean())
    telling = sorted((n for n, one in found.items() if decides(one, guessed, whole)), key=lambda n: -found[n].value)
    stretches = [name for name in found if name.startswith("stretch_of_")]
    if 2 * sum(name in telling for name in stretches) > len(stretches):
        # The sound says it throughout: no stretch is a mark.
        telling = [name for name in telling if name not in stretches]
    findings = [
        Finding(
            key="no_content_needed",
            gravity="problem",
            text=say("trust.zones.no_content", what=probe_name(name), right=format_metric(found[name].as_json())),
        )
        for name in telling[:1]
    ]
    return {name: one.as_json() for name, one in found.items()}, findings


def probe_name(name: str) -> str:
    """Say what a probe leaves: "stretch_of_1" is the first eighth of a sound."""
    kind, _, number = name.partition("_of_")
    if kind == "stretch":
        return say("trust.zones.only_stretch", number=number)
    if kind == "marks":
        return say("trust.zones.only_marks", words=number)
    return say("trust.zones.only_colour") if kind == "flat_colour" else say("trust.zones.only_grain")
