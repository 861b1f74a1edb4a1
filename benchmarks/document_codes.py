"""Codes of documents: how many of the nearest newspaper texts have a topic in common, by a deep autoencoder and by LSA.

Hinton & Salakhutdinov 2006 (Figure 4A) ask with each test document of Reuters among all others, ranked by the cosine of
their codes: which share of the k nearest has the same topic? Here on Reuters-21578, ModApte split, 7,769 training and
3,019 test texts of 90 topics; a text that has several topics is alike if one of them is shared. (Theirs are 804,414
texts of RCV1, which is not free.) Expected, as there: the autoencoder above LSA with as many numbers.

- Autoencoder: ``capas train --task embed``, with the 2,000 most frequent words.
- LSA: truncated SVD of tf-idf; PCA: of shares of words. Both have their own choices.
- Ceiling: tf-idf of all words itself, thousands of numbers; and the same network untrained.

Every choice is made by the validation texts, a fifth of the training part, drawn once: each way is fitted to the other
four fifths, and the one whose mean precision over all k is best is fitted anew to the whole training part. The test
texts are asked once, with these.

``CAPAS_CODES``, ``CAPAS_SEEDS`` and ``CAPAS_EPOCHS`` choose less.
"""

import json
import os
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.record import conditions, keep, spread, table
from benchmarks.reuters import lay_out
from benchmarks.trained import train
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.representation import precision_at
from capas.representation.data_items import open_data_items
from capas.representation.embed import embed_to
from capas.representation.encoders import open_encoder

CODES = [int(code) for code in os.environ.get("CAPAS_CODES", "2,10,128").split(",")]
SEEDS = [int(seed) for seed in os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")]
EPOCHS = os.environ.get("CAPAS_EPOCHS", "")
NEAREST = (1, 3, 7, 15, 31, 63, 127, 255, 511, 1023)  # as in Figure 4A
SHOWN = (1, 7, 31, 127)
VALIDATION = 0.2
# What is tried of the autoencoder; the first one is what Capas does unasked.
AUTOENCODERS: Mapping[str, Sequence[str]] = {
    "half of the words hidden": (),
    "no word hidden": ("method.name=autoencoder",),
    "the same weights back": ("network.tied=true",),
    "layer by layer first": ("network.layer_wise=true",),
}
# What is tried of LSA and PCA: words of the vocabulary (None: all), and what becomes of a count.
VOCABULARIES = (2000, None)
LSA_COUNTS = ("count", "1 + ln count")
PCA_COUNTS = ("share", "root of the share", "ln(1 + count)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Texts to fit to, and texts to ask with.

    Attributes:
        file: JSON lines of the text and its split, for ``capas train``.
        fitted: Texts that are fitted to.
        asked: Texts that are asked with.
        topics: Topics of these, bool (N, T).
    """

    file: Path
    fitted: Sequence[str]
    asked: Sequence[str]
    topics: Tensor

    @staticmethod
    def write(file: Path, fitted: Sequence[Mapping[str, str]], asked: Sequence[Mapping[str, str]]) -> "Corpus":
        """Write the texts without their topics, so that nothing can learn from them."""
        with file.open("w", encoding="utf-8") as stream:
            for split, rows in (("training", fitted), ("test", asked)):
                for row in rows:
                    stream.write(json.dumps({"text": row["text"], "split": split}) + "\n")
        names = sorted({topic for row in asked for topic in row["topics"].split(";")})
        topics = torch.tensor([[name in row["topics"].split(";") for name in names] for row in asked])
        return Corpus(
            file=file, fitted=[row["text"] for row in fitted], asked=[row["text"] for row in asked], topics=topics
        )

    def precision(self, codes: Tensor) -> Tensor:
        """Share of the k nearest that have a topic in common, by query and k, (N, K); in percent."""
        return 100 * precision_at(codes, self.topics, NEAREST)


def corpora(folder: Path) -> tuple[Corpus, Corpus]:
    """The corpus to choose with, and the one to test with."""
    lines = lay_out(folder).read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["text"].strip()]
    training = [row for row in rows if row["split"] == "training"]
    test = [row for row in rows if row["split"] == "test"]
    order = random.Random(0).sample(range(len(training)), len(training))
    held = set(order[: round(VALIDATION * len(training))])
    choosing = Corpus.write(
        folder / "choosing.jsonl", [row for i, row in enumerate(training) if i not in held],
        [row for i, row in enumerate(training) if i in held],
    )  # fmt: skip
    return choosing, Corpus.write(folder / "testing.jsonl", training, test)


def autoencoder_codes(
    corpus: Corpus, folder: Path, code: int, seed: int, settings: Sequence[str], *, learnt: bool = True
) -> tuple[Tensor, float]:
    """Codes of the texts that are asked with, zero for a text without a known word; and seconds of training."""
    epochs = [f"train.epochs={EPOCHS}"] if EPOCHS else []
    if not learnt:
        epochs = ["train.epochs=0.01", "optim.learning_rate=1e-12"]
    run = folder / f"{corpus.file.stem}-{code}-{seed}-{'-'.join(settings)}-{learnt}".replace("=", "_")
    options = ("--task", "embed", "--report", "none", "--seed", str(seed))
    done = train(corpus.file, run, [f"network.code={code}", *settings, *epochs], *options)
    items = open_data_items(str(corpus.file), column="text")
    vectors = embed_to(folder / f"{run.name}-vectors", open_encoder(str(run)), items)
    codes = torch.zeros(len(items), code)
    codes[[item.index for item in vectors.items]] = torch.from_numpy(np.array(vectors.matrix, dtype=np.float32))
    return codes[len(corpus.fitted) :], float(str(done["seconds"]))


def counted(corpus: Corpus, words: int | None) -> tuple["NDArray[np.float32]", "NDArray[np.float32]"]:
    """Counts of the words of the texts to fit to and to ask with, sparse."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(max_features=words, min_df=1 if words else 2, max_df=0.5, dtype=np.float32)
    return vectorizer.fit_transform(corpus.fitted), vectorizer.transform(corpus.asked)


def tfidf(corpus: Corpus, words: int | None, counts: str) -> tuple["NDArray[np.float32]", "NDArray[np.float32]"]:
    """Term weights of the texts to fit to and to ask with, sparse."""
    from sklearn.feature_extraction.text import TfidfTransformer

    fitted, asked = counted(corpus, words)
    weights = TfidfTransformer(sublinear_tf=counts != "count").fit(fitted)
    return weights.transform(fitted), weights.transform(asked)


def lsa_codes(corpus: Corpus, code: int, words: int | None, counts: str) -> Tensor:
    """Codes of the texts that are asked with."""
    from sklearn.decomposition import TruncatedSVD

    fitted, asked = tfidf(corpus, words, counts)
    return torch.from_numpy(TruncatedSVD(code, random_state=0).fit(fitted).transform(asked)).float()


def pca_codes(corpus: Corpus, code: int, counts: str) -> Tensor:
    """Codes of the texts that are asked with, of the 2,000 most frequent words."""
    from sklearn.decomposition import PCA

    parts = []
    for part in counted(corpus, 2000):
        dense = torch.from_numpy(part.toarray())  # type: ignore[attr-defined]
        shares = dense / dense.sum(1, keepdim=True).clamp(min=1)
        parts.append({"share": shares, "root of the share": shares.sqrt()}.get(counts, dense.log1p()).numpy())
    return torch.from_numpy(PCA(code, random_state=0).fit(parts[0]).transform(parts[1])).float()


def best_of(ways: Mapping[str, Callable[[Corpus], Tensor]], choosing: Corpus) -> tuple[str, dict[str, float]]:
    """The way with the best mean precision on the validation texts, and that of all."""
    found = {name: float(choosing.precision(codes(choosing)).mean()) for name, codes in ways.items()}
    print(json.dumps(found), flush=True)
    return max(found, key=lambda name: found[name]), found


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One way on the test texts.

    Attributes:
        way: What was chosen.
        precision: Mean precision at every k, for each seed.
        interval: That of the mean over all k, by the queries of the first seed.
        validation: Mean precision of everything tried on the validation texts.
        seconds: Of training, for each seed; empty where there is nothing to wait for.
    """

    way: str
    precision: Sequence[Sequence[float]]
    interval: Mapping[str, object]
    validation: Mapping[str, float]
    seconds: Sequence[float] = ()

    def as_json(self) -> dict[str, object]:
        """The fields as they are kept."""
        return {
            "way": self.way, "nearest": list(NEAREST), "precision": [list(one) for one in self.precision],
            "mean_over_k": dict(self.interval), "validation": dict(self.validation), "seconds": list(self.seconds),
        }  # fmt: skip


def asked(
    testing: Corpus, codes: Sequence[Tensor], way: str, validation: Mapping[str, float], seconds: Sequence[float] = ()
) -> Asked:
    """Ask with every test text."""
    found = [testing.precision(one) for one in codes]
    return Asked(
        way=way, precision=[[round(float(v), 2) for v in one.mean(0)] for one in found],
        interval=mean_with_interval(found[0].mean(1)).as_json(), validation=validation, seconds=seconds,
    )  # fmt: skip


def measure(choosing: Corpus, testing: Corpus, folder: Path, code: int) -> dict[str, Asked]:
    """Everything with codes of one size."""
    ways: dict[str, Callable[[Corpus], Tensor]] = {
        name: lambda corpus, settings=settings: autoencoder_codes(corpus, folder, code, SEEDS[0], settings)[0]
        for name, settings in AUTOENCODERS.items()
    }  # fmt: skip
    chosen, validation = best_of(ways, choosing)
    runs = [autoencoder_codes(testing, folder, code, seed, AUTOENCODERS[chosen]) for seed in SEEDS]
    untrained = autoencoder_codes(testing, folder, code, SEEDS[0], (), learnt=False)[0]
    found = {
        "autoencoder": asked(testing, [one for one, _ in runs], chosen, validation, [s for _, s in runs]),
        "the same, untrained": asked(testing, [untrained], "", {}),
    }
    linear: dict[str, dict[str, Callable[[Corpus], Tensor]]] = {
        "LSA": {
            f"{words or 'all'} words, {counts}": lambda corpus, words=words, counts=counts: lsa_codes(
                corpus, code, words, counts
            )
            for words in VOCABULARIES for counts in LSA_COUNTS
        },
        "PCA": {counts: lambda corpus, counts=counts: pca_codes(corpus, code, counts) for counts in PCA_COUNTS},
    }  # fmt: skip
    for name, tried in linear.items():
        way, validation = best_of(tried, choosing)
        found[name] = asked(testing, [tried[way](testing)], way, validation)
    return found


def ceiling(choosing: Corpus, testing: Corpus) -> Asked:
    """All words, weighted: what a code is squeezed from."""
    ways: dict[str, Callable[[Corpus], Tensor]] = {
        f"{words or 'all'} words, {counts}": lambda corpus, words=words, counts=counts: torch.from_numpy(
            tfidf(corpus, words, counts)[1].toarray()  # type: ignore[attr-defined]
        )
        for words in VOCABULARIES for counts in LSA_COUNTS
    }  # fmt: skip
    way, validation = best_of(ways, choosing)
    return asked(testing, [ways[way](testing)], way, validation)


def rows_of(code: str, found: Mapping[str, Asked]) -> list[list[str]]:
    """The table's rows."""
    rows = []
    for name, one in found.items():
        columns = [[seed[NEAREST.index(k)] for seed in one.precision] for k in SHOWN]
        means = [float(np.mean(seed)) for seed in one.precision]
        cells = [spread(column) if len(column) > 1 else f"{column[0]:.1f}" for column in (*columns, means)]
        seconds = f"{np.median(one.seconds):.0f}" if one.seconds else ""
        rows.append([code, f"{name}: {one.way}" if one.way else name, *cells, seconds])
    return rows


def main() -> None:
    """Measure one size of codes after another."""
    facts = conditions("document-codes")
    facts |= {"seeds": len(SEEDS), "epochs": EPOCHS or "as Capas chooses"}
    torch.set_num_threads(2)
    rows, measured = [], {}
    heads = ["numbers", "codes by", *(f"k = {k}, %" for k in SHOWN), "mean over k, %", "training s"]
    with tempfile.TemporaryDirectory() as name:
        choosing, testing = corpora(Path(name))
        whole = {"tf-idf": ceiling(choosing, testing)}
        rows += rows_of("all", whole)
        measured["all"] = {key: one.as_json() for key, one in whole.items()}
        for code in CODES:
            found = measure(choosing, testing, Path(name), code)
            rows += rows_of(str(code), found)
            measured[str(code)] = {key: one.as_json() for key, one in found.items()}
            keep("document-codes", "Codes of documents", (__doc__ or "") + "\n" + table(heads, rows), facts, measured)


if __name__ == "__main__":
    main()
