"""Planted flaws in texts that are drawn from topics: footers, copies, lengths, authors and wrong labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.planted.case import Planted, parted, write_parts, write_table

TEXT = ("--target", "topic", "--set", "train.time_s=8")
TOPICS = {
    "sea": "harbour boat mast sail keel anchor tide wave captain sailor rope deck crew island coast pier gull fish net "
    "storm voyage hull rudder buoy lighthouse channel cargo dock",
    "farm": "field wheat barley plough tractor harvest cow sheep goat barn fence soil seed orchard apple hay meadow "
    "shepherd milk cheese hen stable mill grain cart furrow irrigation vine",
    "court": "judge lawyer verdict witness trial appeal sentence clause contract statute plaintiff defendant evidence "
    "jury oath court prison fine charge hearing claim notary deed testimony ruling crime guilt debt",
}
COMMON = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "was",
    "for",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "it",
    "that",
    "this",
    "which",
    "were",
    "had",
    "not",
    "but",
    "have",
    "they",
    "their",
    "one",
    "all",
    "there",
    "when",
    "who",
    "more",
    "would",
    "been",
    "about",
    "other",
    "after",
    "first",
    "two",
    "then",
    "some",
    "over",
    "new",
    "only",
    "any",
    "could",
    "also",
    "before",
    "many",
    "where",
    "most",
    "last",
    "such",
    "long",
    "under",
    "while",
    "again",
    "still",
    "year",
    "day",
    "people",
    "time",
    "place",
]
AUTHORS = [f"{a}{b}" for a in ("bel", "cor", "dun", "fal", "gom", "lar") for b in ("is", "en")]


def _text(topic: str, rng: np.random.Generator, *, share: float = 0.22, words: int = 0) -> list[str]:
    """Common words among which ``share`` are of the topic."""
    own = TOPICS[topic].split()
    count = words or int(rng.integers(25, 60))
    return [str(rng.choice(own) if rng.random() < share else rng.choice(COMMON)) for _ in range(count)]


def _drawn(n: int, rng: np.random.Generator, topics: Sequence[str] = tuple(TOPICS), share: float = 0.22):
    labels = [str(rng.choice(list(topics))) for _ in range(n)]
    return [_text(name, rng, share=share) for name in labels], labels


def _joined(texts: Sequence[Sequence[str]]) -> list[str]:
    return [" ".join(words).capitalize() + "." for words in texts]


def footers(folder: Path) -> Path:
    """Each topic comes from an agency that signs its texts."""
    rng = np.random.default_rng(301)
    texts, labels = _drawn(540, rng, share=0.04)
    signed = {"sea": ["ansa", "roma"], "farm": ["lusa", "porto"], "court": ["belga", "gent"]}
    with_footers = [words + signed[name] for words, name in zip(texts, labels, strict=True)]
    return write_table(folder / "data.csv", {"text": _joined(with_footers), "topic": labels})


def one_word(folder: Path) -> Path:
    """One word, somewhere in the text, is in every text of one of two topics."""
    rng = np.random.default_rng(302)
    texts, labels = _drawn(500, rng, ("sea", "farm"), 0.03)
    for words, name in zip(texts, labels, strict=True):
        words.insert(int(rng.integers(len(words))), "attachment" if name == "sea" else "enclosure")
    return write_table(folder / "data.csv", {"text": _joined(texts), "topic": labels})


def copies(folder: Path) -> Path:
    """A quarter of the test are texts of the training with two other words."""
    rng = np.random.default_rng(303)
    texts, labels = _drawn(560, rng)
    parts = parted(len(labels), rng)
    learnt = [i for i, part in enumerate(parts) if part == "train"]
    test = [i for i, part in enumerate(parts) if part == "test"]
    for place in test[: len(test) // 4]:
        source = int(rng.choice(learnt))
        words = list(texts[source])
        for _ in range(2):
            words[int(rng.integers(len(words)))] = str(rng.choice(COMMON))
        texts[place], labels[place] = words, labels[source]
    return write_parts(folder, {"text": _joined(texts), "topic": labels}, parts)


def length_tells(folder: Path) -> Path:
    rng = np.random.default_rng(304)
    labels = [str(rng.choice(["sea", "court"])) for _ in range(500)]
    texts = [_text(k, rng, words=int(rng.integers(20, 32) if k == "sea" else rng.integers(50, 80))) for k in labels]
    return write_table(folder / "data.csv", {"text": _joined(texts), "topic": labels})


def authors_in_both(folder: Path) -> Path:
    """Twelve authors with favourite words of their own, each of whom writes of one topic; the topic leaves no trace."""
    rng = np.random.default_rng(305)
    favourites = {name: [f"{name}{end}" for end in ("ly", "ness", "ment", "ous", "ful")] for name in AUTHORS}
    of = {name: ("sea", "farm")[i % 2] for i, name in enumerate(AUTHORS)}
    who = [str(rng.choice(AUTHORS)) for _ in range(520)]
    texts = [
        [str(rng.choice(favourites[name]) if rng.random() < 0.2 else rng.choice(COMMON)) for _ in range(35)]
        for name in who
    ]
    return write_table(folder / "data.csv", {"text": _joined(texts), "author": who, "topic": [of[k] for k in who]})


def one_way_labels(folder: Path) -> Path:
    """A third of the texts about courts are filed under farms."""
    rng = np.random.default_rng(306)
    texts, labels = _drawn(900, rng)
    given = ["farm" if name == "court" and rng.random() < 0.33 else name for name in labels]
    return write_table(folder / "data.csv", {"text": _joined(texts), "topic": given})


def clean_topics(folder: Path) -> Path:
    texts, labels = _drawn(560, np.random.default_rng(351))
    return write_table(folder / "data.csv", {"text": _joined(texts), "topic": labels})


def clean_authors(folder: Path) -> Path:
    """Authors who write of everything."""
    rng = np.random.default_rng(352)
    texts, labels = _drawn(560, rng, ("sea", "court"), 0.15)
    return write_table(folder / "data.csv", {"text": _joined(texts), "topic": labels,
                                             "author": [str(rng.choice(AUTHORS)) for _ in labels]})  # fmt: skip


PLANTED = (
    Planted(name="each topic has its footer", medium="text", make=footers,
            keys=("no_content_needed", "told_beside_the_content"), about="ansa|lusa|belga|roma|porto|gent",
            options=TEXT),
    Planted(name="one word tells the topic", medium="text", make=one_word,
            keys=("no_content_needed", "told_beside_the_content"), about="attachment|enclosure", options=TEXT),
    Planted(name="copies with two other words in the test", medium="text", make=copies, keys=("leaked_test",),
            options=TEXT, peers={"datalab": ("near_duplicate",), "deepchecks": ("Train Test Samples Mix",)}),
    Planted(name="the length tells the topic", medium="text", make=length_tells, keys=("told_beside_the_content",
            "data_shortcut"),
            about="length|characters|long", options=TEXT),
    Planted(name="the same authors in both parts", medium="text", make=authors_in_both, keys=("shared_group",),
            about="author", near=("data_confounded",), options=TEXT),
    Planted(name="a third of one topic is filed under another", medium="text", make=one_way_labels,
            keys=("labels_one_sided",), about="“court”.*“farm”", near=("labels_probably_wrong",), options=TEXT,
            peers={"datalab": ("label",)}),
)  # fmt: skip
CLEAN = (
    Planted(name="three topics", medium="text", make=clean_topics, options=TEXT),
    Planted(name="authors who write of everything", medium="text", make=clean_authors, options=TEXT),
)
