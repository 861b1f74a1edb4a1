"""Two real manuscripts read: error rates on held-out pages, lines per second, and the shapes of other tools' networks.

Data: the folders arsenal-3516 and vaticane-reg-lat-1616 below manuscripts in CAPAS_DATA, pages with ALTO. Sorted, every
eighth page is held out for the test; the rest is trained on, as ``capas train FOLDER --time 60m`` settles by itself.
``python -m benchmarks.manuscripts --run RUN…`` takes finished runs, of whatever time, in place of training.

Speeds: the same lines, one thread, one network after the other in turns, the processor's time; kraken's and PyLaia's
default networks are built here with plain torch from their sources, with untrained weights, and are fed lines of the
height that each wants (PyLaia takes any: 64 pixels). Reading is the network alone, 16 lines at once; training adds
CTC's loss (ours for all), the gradients and AdamW's step.

- kraken (``kraken/lib/default_specs.py``): [1,120,0,1 Cr3,13,32 Do0.1,2 Mp2,2 Cr3,13,32 Do0.1,2 Mp2,2 Cr3,9,64
  Do0.1,2 Mp2,2 Cr3,9,64 Do0.1,2 S1(1x0)1,3 Lbx200 Do0.1,2 Lbx200 Do0.1,2 Lbx200 Do];
- PyLaia (``CreateCRNNArgs`` in ``laia/common/arguments.py``): 3×3 convolutions of 16, 16, 32 and 32 maps, LeakyReLU,
  pooled by 2, 2, 2 and not; the height averaged to 16 rows; three LSTMs of 256 units both ways, dropout 0.5.

Expected: a plain CRNN of 1.3 million parameters had 11.2 % (vaticane) and 5.8 % (arsenal) of characters wrong; 50 lines
a second.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.record import conditions, keep, spread, table
from benchmarks.trained import figure, given, shown, train
from capas.archive.library.scans import decode_page
from capas.archive.reading.pages import line_images
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.networks.document.crnn import CRNNConfig
from capas.networks.document.crnn import LineCRNN as Network
from capas.objectives.ctc_loss import ctc_loss
from capas.page_formats.formats import read_page
from capas.page_formats.page import scale_page

NAMES = ("arsenal-3516", "vaticane-reg-lat-1616")
TIME = "60m"
EVERY, HELD = 8, 7
BATCH, TURNS, LINES, LETTERS = 16, 3, 32, 30


def pages_of(name: str) -> list[Path]:
    """The pictures of a manuscript that have a transcript beside them, in order."""
    folder = given("manuscripts", name)
    return sorted(path.with_suffix(".xml") for path in folder.glob("*.xml") if picture_of(path).is_file())


def picture_of(transcript: Path) -> Path:
    """The picture beside an ALTO file."""
    found = [transcript.with_suffix(suffix) for suffix in (".jpg", ".png", ".jpeg", ".tif")]
    return next((path for path in found if path.is_file()), found[0])


def held_out(name: str) -> list[Path]:
    """The test pages' ALTO files."""
    return pages_of(name)[HELD::EVERY]


def lay_out(name: str, folder: Path) -> Path:
    """A folder of links, ``train`` and ``test``, to train on."""
    test = set(held_out(name))
    for path in pages_of(name):
        place = folder / ("test" if path in test else "train")
        place.mkdir(parents=True, exist_ok=True)
        for file in (path, picture_of(path)):
            (place / file.name).symlink_to(file)
    return folder


def manuscript_of(run: Path) -> str:
    """Which of the two a run was trained on, by the names of its pages."""
    names = json.dumps(json.loads((run / "data.json").read_text(encoding="utf-8"))["examples"])
    return next(name for name in NAMES if f"{pages_of(name)[0].stem}." in names)


def asked(arguments: Sequence[str]) -> list[Path]:
    """The runs behind ``--run``."""
    if arguments and arguments[0] != "--run":
        sys.exit(f"{arguments[0]}? Expected --run RUN…")
    return [Path(name) for name in arguments[1:]]


def runs_of(given_runs: Sequence[Path], folder: Path) -> Iterator[tuple[str, Path, dict[str, object]]]:
    """Name, run and figures of each manuscript: those given, or new ones."""
    for run in given_runs:
        yield manuscript_of(run), run, json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    for name in () if given_runs else NAMES:
        run = folder / f"{name}-run"
        figures = train(
            lay_out(name, folder / name), run, ("data.follow_links=true",), "--time", TIME, "--report", "none"
        )
        yield name, run, figures


class Recurrent(nn.Module):
    """Lines B×1×H×W through convolutions and then LSTMs of ``hidden`` units both ways to logits B×T×K."""

    def __init__(self, blocks: nn.Sequential, features: int, hidden: int, dropout: float, num_labels: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.lstm = nn.LSTM(features, hidden, 3, dropout=dropout, bidirectional=True, batch_first=True)
        self.last = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * hidden, num_labels))

    def forward(self, lines_B1HW: Tensor) -> Tensor:
        maps = self.blocks(lines_B1HW)
        logits: Tensor = self.last(self.lstm(maps.flatten(1, 2).transpose(1, 2))[0])
        return logits


def as_kraken(num_labels: int) -> nn.Module:
    """The default of ``ketos train``."""
    parts: list[nn.Module] = []
    shapes = ((1, 32, 13, True), (32, 32, 13, True), (32, 64, 9, True), (64, 64, 9, False))
    for a, b, across, pooled in shapes:
        parts += [nn.Conv2d(a, b, (3, across), padding="same"), nn.ReLU(), nn.Dropout2d(0.1)]
        parts += [nn.MaxPool2d(2)] if pooled else []
    return Recurrent(nn.Sequential(*parts), 64 * 120 // 8, 200, 0.1, num_labels)


def as_pylaia(num_labels: int) -> nn.Module:
    """The default of ``pylaia-htr-create-model``."""
    parts: list[nn.Module] = []
    for a, b, pooled in ((1, 16, True), (16, 16, True), (16, 32, True), (32, 32, False)):
        parts += [nn.Conv2d(a, b, 3, padding=1), nn.LeakyReLU()]
        parts += [nn.MaxPool2d(2)] if pooled else []
    return Recurrent(nn.Sequential(*parts, Sixteen()), 32 * 16, 256, 0.5, num_labels)


class Sixteen(nn.Module):
    """Maps averaged (or stretched) to 16 rows, as wide as they are."""

    def forward(self, maps: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(maps, (16, maps.shape[3]))


class AsOurs(nn.Module):
    """Our network without the lengths, like the others."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, lines_B1HW: Tensor) -> Tensor:
        logits: Tensor = self.network(lines_B1HW, None)[0]
        return logits


def lines_at(name: str, height: int) -> Tensor:
    """Lines of the first held-out page at this height, ink high, as wide as the widest: L×1×H×W."""
    path = held_out(name)[0]
    picture = decode_page(picture_of(path))
    lines = scale_page(read_page(path).page, picture.shape[1], picture.shape[0]).lines[:LINES]
    cuts = [torch.from_numpy(cut).float() for cut in line_images(picture, lines, height)]
    widest = 64 * -(-max(cut.shape[1] for cut in cuts) // 64)
    return torch.stack([functional.pad(1 - cut / 255, (0, widest - cut.shape[1])) for cut in cuts])[:, None]


def speeds(reader: LineReader, name: str) -> dict[str, dict[str, object]]:
    """Lines per second of the three, in turns."""
    labels = reader.alphabet.num_labels
    network = reader.model.network
    width, hidden = _ours(reader)
    size = CRNNConfig(size=reader.height, num_labels=labels, width=width, hidden=hidden)
    shapes = {"Capas": (AsOurs(Network(size)), reader.height), "PyLaia": (as_pylaia(labels), 64),
              "kraken": (as_kraken(labels), 120)}  # fmt: skip
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in shapes["Capas"][0].parameters())
    lines = {tool: lines_at(name, height) for tool, (_, height) in shapes.items()}
    taken: dict[str, dict[str, list[float]]] = {tool: {"reading": [], "training": []} for tool in shapes}
    for turn in range(TURNS + 1):
        for tool, (shape, _) in shapes.items():
            reading, training = _reading(shape, lines[tool]), _training(shape, lines[tool], labels)
            if turn:  # the first warms up
                taken[tool]["reading"].append(reading)
                taken[tool]["training"].append(training)
    return {
        tool: {"parameters": sum(p.numel() for p in shapes[tool][0].parameters()), "height": shapes[tool][1], **two}
        for tool, two in taken.items()
    }


def _ours(reader: LineReader) -> tuple[int, int]:
    settings = reader.model.network.state_dict()
    first = next(value for value in settings.values() if value.ndim == 4)
    last = [value for value in settings.values() if value.ndim == 2][-1]
    return first.shape[0], last.shape[1] // 2


@torch.no_grad()
def _reading(network: nn.Module, lines: Tensor) -> float:
    network.eval()
    started = time.process_time()
    for part in torch.split(lines, BATCH):
        network(part)
    return len(lines) / (time.process_time() - started)


def _training(network: nn.Module, lines: Tensor, num_labels: int) -> float:
    network.train()
    optimizer = torch.optim.AdamW(network.parameters())
    part = lines[:BATCH]
    targets = torch.randint(1, num_labels, (len(part), LETTERS), generator=torch.Generator().manual_seed(0))
    started = time.process_time()
    optimizer.zero_grad()
    logits = network(part)
    frames = torch.full((len(part),), logits.shape[1])
    loss = ctc_loss(logits.log_softmax(2), frames, targets, torch.full((len(part),), LETTERS)).mean()
    torch.autograd.backward(loss)
    optimizer.step()
    return len(part) / (time.process_time() - started)


def trained_s(run: Path) -> float:
    """The seconds of a run's training, and of the run beside it from which it started."""
    last = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    card = json.loads((run / "bundle" / "card.json").read_text(encoding="utf-8"))
    before = run.parent / (card["weights"].get("started_from") or "-")
    return float(json.loads(last)["seconds"]) + (trained_s(before) if before.is_dir() else 0.0)


def main(runs: Sequence[Path] = ()) -> None:
    """Both manuscripts: figures, then speeds."""
    torch.set_num_threads(1)
    facts = conditions("manuscripts")
    if runs:
        facts["command"] = "python -m benchmarks.manuscripts --run RUN…"
    rows: list[list[object]] = []
    fast: list[list[object]] = []
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, run, figures in runs_of(runs, Path(folder)):
            reader, known = LineReader.open(run), speeds(LineReader.open(run), name)
            answers = json.loads((run / "bundle" / "answers.json").read_text(encoding="utf-8"))
            cer = figure(figures, "cer")
            rows.append([name, cer["lines"], cer["n"], shown(cer), shown(figure(figures, "wer")),
                         known["Capas"]["parameters"], reader.decoder.description,
                         f"{reader.temperature:.3f}", f"{trained_s(run) / 60:.0f}"])  # fmt: skip
            fast += [_speed_row(name, tool, one, known["Capas"]) for tool, one in known.items()]
            validation = answers.get("cer_on_validation")
            measured[name] = {"metrics": figures["metrics"], "speeds": known, "cer_on_validation": validation,
                              "temperature": reader.temperature, "minutes": trained_s(run) / 60}  # fmt: skip
    heads = ["manuscript", "test lines", "characters", "CER (95 %)", "WER (95 %)", "parameters", "read with",
             "temperature", "minutes of training"]  # fmt: skip
    titles = ["manuscript", "network of", "parameters", "height", "lines/s reading", "lines/s training", "reading, ×",
              "training, ×"]  # fmt: skip
    text = (__doc__ or "") + "\n" + table(heads, rows) + "\n\n" + table(titles, fast)
    keep("manuscripts", "Two manuscripts", text, facts, measured)


def _speed_row(name: str, tool: str, one: dict[str, object], ours: dict[str, object]) -> list[object]:
    """One network; how many times as fast ours is."""
    row: list[object] = [name, tool, one["parameters"], one["height"]]
    times = []
    for way in ("reading", "training"):
        theirs, own = one[way], ours[way]
        assert isinstance(theirs, list) and isinstance(own, list)
        row.append(spread(theirs))
        times.append(f"{statistics.median(own) / statistics.median(theirs):.1f}")
    return [*row, *times]


if __name__ == "__main__":
    main(asked(sys.argv[1:]))
