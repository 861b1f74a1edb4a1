"""Every format that Capas reads: a small valid example made here, and what reads it."""

import io
import json
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
import xlsxwriter
from PIL import Image
from torch import nn

from capas.archive.library.database import FILE, Library
from capas.archive.library.scans import decode_page, scans_of
from capas.archive.reading.index_provenance import read_index_provenance
from capas.archive.reading.index_stores import SPOTS
from capas.archive.reading.pages import reindex
from capas.bundle.card import Card, read_card, seal_of
from capas.bundle.read import read_bundle
from capas.bundle.shipped import SHIPPED_READERS
from capas.bundle.write import write_bundle
from capas.core.errors import CapasError
from capas.core.files import content_hash, read_regular
from capas.data.audio.io import read_audio, read_audio_info
from capas.data.image.io import decode_image, read_image_info
from capas.data.image.masks import find_class_map, read_class_map, read_mask_values
from capas.data.sources.segment_files import read_segment_rows
from capas.data.sources.source import open_source
from capas.data.tabular.io import read_table
from capas.data.text.conll import read_conll
from capas.engine.checkpoint import newest_checkpoint
from capas.engine.config import config_to_toml, read_config
from capas.engine.dataset_record import read_dataset_record
from capas.engine.events import read_events
from capas.engine.predict import load_model
from capas.engine.run import Run, read_metrics
from capas.evaluation.challenge.challenge import Challenge
from capas.evaluation.scorers import evaluate_files
from capas.evaluation.speech.text_normalisation import read_rewrites
from capas.keyword_index.query import parse_query
from capas.keyword_index.sharded_store import ShardedSpots
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.leaderboard.exchange import read_entries, write_entries
from capas.leaderboard.store import Board
from capas.page_formats.alto_write import to_alto
from capas.page_formats.formats import read_page
from capas.page_formats.hocr_write import to_hocr
from capas.page_formats.iiif import read_manifest
from capas.page_formats.normalise import load_rules
from capas.page_formats.page import Line, Page
from capas.page_formats.pagexml_write import to_pagexml
from capas.page_formats.provenance import Provenance
from capas.page_formats.tei_write import to_tei
from tests.faults import subjects

Files = Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """``seed`` makes the files of an example by name, ``read`` reads the folder that holds them.

    Attributes:
        target: The file that is mutated.
        beside: Called on the mutated folder before it is read, such as to write the hashes anew.
        share: How many inputs it gets, of those that others get: less where reading is slow.
    """

    seed: Callable[[], Files]
    read: Callable[[Path], object]
    target: str
    beside: Callable[[Path], object] = lambda folder: None
    share: float = 1.0


def one(name: str, seed: Callable[[], bytes] | bytes, read: Callable[[Path], object]) -> Format:
    """A format of a single file."""
    make = seed if callable(seed) else lambda: seed
    return Format(seed=cache(lambda: {name: make()}), read=lambda folder: read(folder / name), target=name)


# --- tables -----------------------------------------------------------------------------------------------------------

ROWS = [("name", "size", "day", "kind"), *((f"n{i}", f"{i}.5", f"2024-01-{i + 1:02d}", "ab"[i % 2]) for i in range(12))]


def delimited(sign: str, *, quoted: bool = False, encoding: str = "utf-8") -> bytes:
    cells = [[f'"{cell} ""ñ"""' if quoted else cell for cell in row] for row in ROWS]
    return "\n".join(sign.join(row) for row in cells).encode(encoding)


def json_lines() -> bytes:
    rows = (dict(zip(ROWS[0], [*row[:1], 1.5, *row[2:]], strict=True)) for row in ROWS[1:])
    return "\n".join(map(json.dumps, rows)).encode()


def parquet() -> bytes:
    pyarrow, parquet = __import__("pyarrow"), __import__("pyarrow.parquet").parquet
    held = io.BytesIO()
    parquet.write_table(pyarrow.table({"a": [1.5, 2.5, None], "b": ["x", "y", "ñ"], "c": [1, 2, 3]}), held)
    return held.getvalue()


def xlsx() -> bytes:
    held = io.BytesIO()
    with xlsxwriter.Workbook(held, {"in_memory": True}) as book:
        sheet = book.add_worksheet("data")
        for number, row in enumerate(ROWS):
            sheet.write_row(number, 0, row)
    return held.getvalue()


def ods() -> bytes:
    import zipfile

    rows = "".join(
        "<table:table-row>" + "".join(f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
                                      "</table:table-cell>" for cell in row) + "</table:table-row>"
        for row in ROWS
    )  # fmt: skip
    names = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
                     for name in ("office", "table", "text"))  # fmt: skip
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as target:
        target.writestr("mimetype", kind)
        target.writestr("content.xml", f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names}>'
                        f'<office:body><office:spreadsheet><table:table table:name="a">{rows}</table:table>'
                        "</office:spreadsheet></office:body></office:document-content>")  # fmt: skip
        target.writestr("META-INF/manifest.xml", '<?xml version="1.0"?><manifest:manifest xmlns:manifest='
                        '"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path'
                        f'="/" manifest:media-type="{kind}"/></manifest:manifest>')  # fmt: skip
    return held.getvalue()


# --- pictures and sounds ----------------------------------------------------------------------------------------------


def picture(kind: str, mode: str = "RGB", **options: object) -> bytes:
    values = np.arange(16 * 12 * 3, dtype=np.uint8).reshape(12, 16, 3)
    image = Image.fromarray(values)
    image = Image.fromarray(values[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    held = io.BytesIO()
    image.save(held, kind, **options)  # type: ignore[arg-type]
    return held.getvalue()


def two_frames() -> bytes:
    first, second = (Image.new("L", (12, 16), level) for level in (40, 200))
    held = io.BytesIO()
    first.save(held, "TIFF", save_all=True, append_images=[second], compression="tiff_lzw")
    return held.getvalue()


def read_picture(path: Path) -> None:
    read_image_info(path)
    decode_image(path)


def read_scans(path: Path) -> None:
    for scan in scans_of(path)[:3]:
        decode_page(path, scan.frame)


def sound(kind: str, subtype: str) -> bytes:
    held = io.BytesIO()
    tone = np.sin(np.arange(1600) / 5).astype(np.float32)
    soundfile.write(held, np.stack([tone, tone / 2], axis=1), 8000, format=kind, subtype=subtype)
    return held.getvalue()


def plain_wave() -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as stream:
        stream.setparams((1, 2, 8000, 0, "NONE", ""))
        stream.writeframes((np.sin(np.arange(400)) * 9000).astype("<i2").tobytes())
    return held.getvalue()


def read_sound(path: Path) -> None:
    read_audio_info(path)
    read_audio(path, sample_rate=16000, max_seconds=10)


def mask(values: tuple[int, ...] = (0, 1, 2)) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.resize(np.array(values, dtype=np.uint8), (6, 6))).save(held, "PNG")
    return held.getvalue()


def read_masks(folder: Path) -> None:
    paths = [folder / "m.png"]
    read_mask_values(paths[0], read_class_map(find_class_map(folder, paths), paths))


# --- texts, pages, manifests ------------------------------------------------------------------------------------------

CONLL = b"Juan B-PER\nvive O\nen O\nSan B-LOC\nJuan I-LOC\n\nAna B-PER\nno O\n"
CONLLU = b"# text = a\n1\tJuan\tJuan\tPROPN\t_\t_\t0\troot\t_\t_\n2\tvive\tvivir\tVERB\t_\t_\t1\tdep\t_\t_\n\n"
TEXTGRID = (
    b'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2\ntiers? <exists>\nsize = 1\nitem []:\n'
    b'    item [1]:\n        class = "IntervalTier"\n        name = "w"\n        xmin = 0\n        xmax = 2\n'
    b"        intervals: size = 2\n        intervals [1]:\n            xmin = 0\n            xmax = 1\n"
    b'            text = "perro"\n        intervals [2]:\n            xmin = 1\n            xmax = 2\n'
    b'            text = "gato"\n'
)
RTTM = b"SPEAKER a 1 0.00 1.50 <NA> <NA> ana <NA> <NA>\nSPEAKER a 1 1.50 2.00 <NA> <NA> juan <NA> <NA>\n"
MADE = Provenance(created="2030-05-01T12:00:00+00:00")
PAGE = Page(width=900, height=400, image="1.png", lines=tuple(
    Line(id=f"l{i}", baseline=((60.0, 90.0 * i + 90), (840.0, 90.0 * i + 95)), order=i, region="r1", text=f"línea {i}",
         polygon=((60.0, 90.0 * i + 50), (840.0, 90.0 * i + 50), (840.0, 90.0 * i + 100), (60.0, 90.0 * i + 100)))
    for i in range(3)
))  # fmt: skip
MANIFEST_3 = {
    "@context": "http://iiif.io/api/presentation/3/context.json", "id": "https://a.org/m", "type": "Manifest",
    "label": {"es": ["Legajo"]}, "items": [{
        "id": "https://a.org/c1", "type": "Canvas", "height": 400, "width": 900, "label": {"none": ["1r"]},
        "items": [{"type": "AnnotationPage", "items": [{"type": "Annotation", "motivation": "painting", "body": {
            "id": "https://a.org/1.jpg", "type": "Image", "width": 900, "height": 400}}]}],
        "seeAlso": [{"id": "https://a.org/1.xml", "type": "Dataset", "profile": "alto"}]}],
}  # fmt: skip
MANIFEST_2 = {
    "@id": "https://a.org/m", "@type": "sc:Manifest", "label": [{"@value": "Legajo", "@language": "es"}],
    "sequences": [{"canvases": [{"@id": "https://a.org/c", "label": "1r", "width": 9, "height": 4, "images": [
        {"resource": {"@id": "https://a.org/1.jpg", "@type": "dctypes:Image", "width": 9, "height": 4}}]}]}],
}  # fmt: skip
RULES = b'name = "mine"\nreplace = [["u(?=[aeiou])", "v"], ["\xc3\xa7", "z"]]\n'


def read_conll_file(path: Path) -> object:
    return read_conll([path], path.parent)


def content(path: Path) -> bytes:
    """What a parser of bytes is given: who calls it has read the file."""
    try:
        return read_regular(path)
    except OSError as error:
        raise CapasError("unreadable", where=path, received=str(error)) from error


def manifest(path: Path) -> object:
    return read_manifest(content(path), str(path))


def query(path: Path) -> object:
    return parse_query(content(path).decode("utf-8", "surrogateescape"))


# --- bundles, runs ----------------------------------------------------------------------------------------------------


@cache
def card() -> Card:
    return read_card(SHIPPED_READERS["reader:medieval"] / "card.json")


def folder_files(make: Callable[[Path], object]) -> Callable[[], Files]:
    """The files of a folder that ``make`` fills, by their paths."""

    @cache
    def files() -> Files:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            return {path.relative_to(folder).as_posix(): path.read_bytes()
                    for path in sorted(Path(folder).rglob("*")) if path.is_file()}  # fmt: skip

    return files


def small_bundle(folder: Path) -> None:
    torch.manual_seed(0)
    files = {"preparation.json": {"height": 48, "mean": [0.5, 0.5]}, "answers.json": {"alphabet": "abc", "t": 1.5}}
    write_bundle(folder, nn.Linear(3, 2), files, card().model_copy(update={"files": {}, "classes": ["a", "b"]}))


def shipped_bundle() -> Files:
    return {path.name: path.read_bytes() for path in SHIPPED_READERS["reader:medieval"].iterdir()}


def sealed(folder: Path) -> None:
    """Write the hashes of the files into the card, as somebody does who means to."""
    path = folder / "card.json"
    try:
        tree = json.loads(path.read_bytes())
        tree["files"] = {name: content_hash((folder / name).read_bytes()) for name in tree["files"]}
        tree["weights"]["hash"] = content_hash((folder / "model.safetensors").read_bytes())
        tree["seal"] = seal_of(tree)
        path.write_text(json.dumps(tree), encoding="utf-8")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # the mutated file is the card itself, and no longer one


def in_bundle(
    name: str, seed: Callable[[], Files], read: Callable[[Path], object] = read_bundle, share: float = 1.0
) -> Format:
    return Format(seed=seed, read=read, target=name, beside=sealed, share=share)


def run_files(folder: Path) -> None:
    subjects.train_half(folder)
    (folder / "config.toml").write_text(config_to_toml(subjects.small_plan(str(folder)).config))
    subjects.write_plan(Run(folder=folder), subjects.small_plan(str(folder)))
    (folder / "metrics.json").write_text(json.dumps({"metrics": {"accuracy": {"value": 0.5, "n": 2}}}))


SMALL_BUNDLE, RUN = folder_files(small_bundle), folder_files(run_files)


def in_run(name: str, read: Callable[[Run], object]) -> Format:
    return Format(seed=RUN, read=lambda folder: read(Run(folder=folder)), target=name)


# --- archives, board, challenges --------------------------------------------------------------------------------------


def archive_files(folder: Path) -> None:
    subjects.make_read_archive(folder)


def fonds_files(folder: Path) -> None:
    subjects.make_read_archive(folder, subjects.FONDS)


ARCHIVE, FONDS_ARCHIVE = folder_files(archive_files), folder_files(fonds_files)


def read_archive(folder: Path) -> None:
    library = Library.open(folder / "archive")
    for page in library.pages():
        library.lines(page.id)
    making = read_index_provenance(library)
    reindex(library, making.alphabet, making.origin, lambda done, of: None)


def read_spots(folder: Path) -> None:
    with SqliteSpots(folder / "archive" / SPOTS) as store:
        list(store.everything())
        store.histogram(["ab"])


def read_shards(folder: Path) -> None:
    with ShardedSpots(folder / "archive" / "spots", lambda pages: dict.fromkeys(pages, "notaries")) as store:
        list(store.everything())


def board_file(suffix: str) -> Format:
    name, entries = f"b{suffix}", [subjects.entry(i) for i in range(3)]
    seed = folder_files(lambda folder: write_entries(folder / name, entries))
    return Format(seed=seed, target=name, read=lambda folder: read_entries(folder / name))


def board_database(folder: Path) -> None:
    Board(folder / "board.sqlite").add([subjects.entry(i) for i in range(3)])


def challenge_files(folder: Path) -> None:
    subjects.references_and_challenge(folder)
    subjects.submit(folder)


CHALLENGE = folder_files(challenge_files)


def read_challenge(folder: Path) -> None:
    found = Challenge(folder / "c")
    found.submissions.all()
    found.score(folder / "hypothesis.csv")


# --- scores -----------------------------------------------------------------------------------------------------------


def scored(task: str, name: str, reference: bytes, hypothesis: bytes, *, mutates: str = "hypothesis") -> Format:
    files = {f"reference/{name}": reference, f"hypothesis/{name}": hypothesis}
    return Format(
        seed=lambda: files, target=f"{mutates}/{name}",
        read=lambda folder: evaluate_files(task, folder / "reference" / name, folder / "hypothesis" / name).counts,
    )  # fmt: skip


def segmentation(target: str) -> Format:
    files = {"reference/a.png": mask(), "reference/classes.txt": b"sky\nsea\nland\n", "hypothesis/a.png": mask((0, 1))}
    return Format(
        seed=lambda: files, target=target,
        read=lambda folder: evaluate_files("segmentation", folder / "reference", folder / "hypothesis"),
    )  # fmt: skip


LABELS = b"id,label,p(a),p(b)\nx1,a,0.9,0.1\nx2,b,0.2,0.8\nx3,a,0.5,0.5\n"
HITS = b"term,file,start,end,score\nrey,a,0.0,1.0,0.9\nrey,b,2.0,3.0,0.4\npan,a,1.0,1.5,0.7\n"
STM = b"a 1 ana 0.0 1.5 <o> { rey / reina } de espa\xc3\xb1a\na 1 juan 1.5 3.0 hola (muy) buenas\n"
CTM = b"a 1 0.10 0.20 rey 0.9\na 1 0.30 0.20 de 0.9\na 1 1.60 0.20 hola\n"
UTTERANCES = b"u1 rey de espa\xc3\xb1a\nu2 hola muy buenas\n"


# --- folders of examples ----------------------------------------------------------------------------------------------


def class_folders() -> Files:
    return {f"{kind}/{i}.png": picture("PNG", "L") for kind in ("cats", "dogs") for i in range(3)}


def folder_format(files: Callable[[], Files], target: str) -> Format:
    return Format(seed=files, target=target, read=open_source)


def labelled_folder() -> Files:
    return {"labels.csv": b"file,label\na.png,x\nb.png,y\nc.png,x\n", **{f"{n}.png": picture("PNG") for n in "abc"}}


def coco_folder() -> Files:
    tree = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}  # fmt: skip
    return {"a.png": picture("PNG"), "coco.json": json.dumps(tree).encode()}


def line_folder() -> Files:
    return {f"{i}{end}": content for i in range(4)
            for end, content in ((".png", picture("PNG", "L")), (".gt.txt", f"línea {i}\n".encode()))}  # fmt: skip


def page_folder() -> Files:
    held = io.BytesIO()
    Image.new("L", (PAGE.width, PAGE.height), 200).save(held, "PNG")
    return {"1.png": held.getvalue(), "page/1.xml": to_pagexml(PAGE, MADE)}


def idx_like_texts() -> Files:
    return {"train.en": b"a dog\na cat\n" * 6, "train.es": b"un perro\nun gato\n" * 6}


FORMATS: Mapping[str, Format] = {
    "csv": one("t.csv", delimited(","), read_table),
    "csv with semicolons": one("t.csv", delimited(";").replace(b".", b","), read_table),
    "csv with quotes": one("t.csv", delimited(",", quoted=True), read_table),
    "csv in utf-16": one("t.csv", delimited(",", encoding="utf-16"), read_table),
    "csv in cp1252": one("t.csv", delimited(",", quoted=True, encoding="cp1252"), read_table),
    "tsv": one("t.tsv", delimited("\t"), read_table),
    "json lines": one("t.jsonl", json_lines, read_table),
    "parquet": one("t.parquet", parquet, read_table),
    "xlsx": one("t.xlsx", xlsx, read_table),
    "ods": one("t.ods", ods, read_table),
    "png": one("a.png", lambda: picture("PNG"), read_picture),
    "png with a palette": one("a.png", lambda: picture("PNG", "P"), read_picture),
    "png with 16 bits": one("a.png", lambda: picture("PNG", "I;16"), read_picture),
    "jpeg": one("a.jpg", lambda: picture("JPEG"), read_picture),
    "tiff": one("a.tif", lambda: picture("TIFF"), read_picture),
    "tiff with 16 bits": one("a.tif", lambda: picture("TIFF", "I;16"), read_picture),
    "tiff of several scans": one("a.tif", two_frames, read_scans),
    "bitonal tiff": one("a.tif", lambda: picture("TIFF", "1", compression="group4"), read_scans),
    "bmp": one("a.bmp", lambda: picture("BMP"), read_picture),
    "gif": one("a.gif", lambda: picture("GIF", "P"), read_picture),
    "webp": one("a.webp", lambda: picture("WEBP"), read_picture),
    "pgm": one("a.pgm", lambda: picture("PPM", "L"), read_picture),
    "pdf": one("a.pdf", lambda: picture("PDF"), read_scans),
    "masks": Format(seed=lambda: {"m.png": mask(), "classes.txt": b"a\nb\nc\n"}, read=read_masks, target="m.png"),
    "class map": Format(seed=lambda: {"m.png": mask(), "classes.csv": b"name,r,g,b\na,0,0,0\nb,1,1,1\nc,2,2,2\n"},
                        read=read_masks, target="classes.csv"),
    "wav": one("a.wav", plain_wave, read_sound),
    "wav of floats": one("a.wav", lambda: sound("WAV", "FLOAT"), read_sound),
    "flac": one("a.flac", lambda: sound("FLAC", "PCM_16"), read_sound),
    "ogg": one("a.ogg", lambda: sound("OGG", "VORBIS"), read_sound),
    "mp3": one("a.mp3", lambda: sound("MP3", "MPEG_LAYER_III"), read_sound),
    "audacity": one("a.txt", b"0,50\t1.25\tperro\n1.5\t2.0\tgato\n", read_segment_rows),
    "textgrid": one("a.TextGrid", TEXTGRID, read_segment_rows),
    "rttm": one("a.rttm", RTTM, read_segment_rows),
    "table of segments": one("a.csv", b"start,end,label\n0.5,1.25,perro\n1.5,2,gato\n", read_segment_rows),
    "conll": one("a.conll", CONLL, read_conll_file),
    "conll-u": one("a.conllu", CONLLU, read_conll_file),
    "page": one("a.xml", lambda: to_pagexml(PAGE, MADE), read_page),
    "alto": one("a.xml", lambda: to_alto(PAGE, MADE), read_page),
    "tei": one("a.xml", lambda: to_tei(PAGE, MADE), read_page),
    "hocr": one("a.html", lambda: to_hocr(PAGE, MADE), read_page),
    "iiif 2": one("manifest.json", json.dumps(MANIFEST_2).encode(), manifest),
    "iiif 3": one("manifest.json", json.dumps(MANIFEST_3).encode(), manifest),
    "spelling rules": one("r.toml", RULES, lambda path: load_rules(str(path))),
    "query": one("q.txt", b'rey OR ("juan de" AND casa~1) ciu*', query),
    "plan": Format(seed=RUN, target="config.toml", read=lambda folder: read_config(folder / "config.toml")),
    "card": in_bundle("card.json", SMALL_BUNDLE),
    "weights": in_bundle("model.safetensors", SMALL_BUNDLE),
    "preparation": in_bundle("preparation.json", SMALL_BUNDLE),
    "preparation of a reader": in_bundle("preparation.json", shipped_bundle, load_model, 0.2),
    "alphabet of a reader": in_bundle("answers.json", shipped_bundle, load_model, 0.2),
    "checkpoint": Format(seed=RUN, target="checkpoints/step-00000004.safetensors",
                         read=lambda folder: newest_checkpoint(folder / "checkpoints")),
    "record of a run": in_run("data.json", read_dataset_record),
    "decision of a run": in_run("decision.json", subjects.load_unchanged_config),
    "events of a run": in_run("events.jsonl", lambda run: list(read_events(run.events))),
    "metrics of a run": in_run("metrics.json", read_metrics),
    "archive": Format(seed=ARCHIVE, target=f"archive/{FILE}", read=read_archive),
    "index": Format(seed=ARCHIVE, target=f"archive/{SPOTS}", read=read_spots),
    "list of shards": Format(seed=FONDS_ARCHIVE, target="archive/spots/shards.json", read=read_shards),
    "board as csv": board_file(".csv"),
    "board as json": board_file(".json"),
    "board": Format(seed=folder_files(board_database), target="board.sqlite",
                    read=lambda folder: Board(folder / "board.sqlite").entries()),
    "rules of a challenge": Format(seed=CHALLENGE, target="c/private/challenge.json", read=read_challenge),
    "submissions": Format(seed=CHALLENGE, target="c/private/submissions.sqlite", read=read_challenge),
    "answers": scored("classification", "a.csv", LABELS, LABELS),
    "hits": scored("detection", "a.csv", HITS, HITS),
    "occurrences": scored("detection", "a.csv", HITS, HITS, mutates="reference"),
    "speaker turns": scored("diarization", "a.rttm", RTTM, RTTM),
    "stm": scored("speech", "a.stm", STM, STM, mutates="reference"),
    "ctm": Format(seed=lambda: {"a.stm": STM, "a.ctm": CTM}, target="a.ctm",
                  read=lambda folder: evaluate_files("speech", folder / "a.stm", folder / "a.ctm").counts),
    "utterances": scored("speech", "text", UTTERANCES, UTTERANCES),
    "rewrites": one("a.glm", b"uno => 1\n[dos] => 2 / __\n", read_rewrites),
    "masks of a score": segmentation("hypothesis/a.png"),
    "classes of a score": segmentation("reference/classes.txt"),
    "class folders": folder_format(class_folders, "cats/1.png"),
    "labels.csv": folder_format(labelled_folder, "labels.csv"),
    "coco": folder_format(coco_folder, "coco.json"),
    "lines": folder_format(line_folder, "1.gt.txt"),
    "pages": folder_format(page_folder, "page/1.xml"),
    "two languages": folder_format(idx_like_texts, "train.es"),
}  # fmt: skip
