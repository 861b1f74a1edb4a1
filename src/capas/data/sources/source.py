"""Opens a dataset: class folders, a folder with a table, paired files, a table, or a sample.

The layout alone decides: split folders (train/ test/) above class folders, class folders, images beside a table that
names them, or images without labels. What cannot be used is skipped and reported as a Problem.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.spec import FieldKind, Medium
from capas.data.collections import AudioFiles, ExampleCollection, TextCollection
from capas.data.file_types import SPREADSHEET_SUFFIXES, UNSUPPORTED_IMAGE_SUFFIXES
from capas.data.image.io import MAX_PIXELS, ImageCollection, ImageFiles
from capas.data.naming import (
    FOLD_NAMES,
    SplitName,
    natural_key,
    normalise_name,
    numbered_siblings,
    split_from_fold,
    split_from_name,
)
from capas.data.problems import Problem, escape_unprintable, problems_from
from capas.data.sources.class_folders import ClassFolders, find_class_folders
from capas.data.sources.folder_listing import FolderListing, list_folder, looks_like_image
from capas.data.sources.object_boxes import find_object_boxes
from capas.data.sources.paired import PairedExamples, find_paired_examples, segments_as_pairs
from capas.data.sources.path_columns import PathColumn, find_path_column
from capas.data.sources.samples import open_sample, sample_folder
from capas.data.sources.segment_layouts import segmented_audio_in_table
from capas.data.sources.split_tables import SplitTables, join_split_tables
from capas.data.tabular.column_types import class_label
from capas.data.tabular.columns import Cell, Table, TableColumn, column_from_cells, map_cells
from capas.data.tabular.io import is_table_file, read_table
from capas.data.text.conll import SUFFIXES as COLUMN_SUFFIXES

Layout = Literal["class_folders", "split_folders", "table", "flat_folder", "sample", "pairs"]

CLASS_COLUMN: Final = "class"
FILE_FIELDS: Final[Mapping[Medium, str]] = {
    "image": "image", "audio": "sound", "text": "text", "tokens": "words", "table": "row",
}  # fmt: skip
SPLIT_COLUMNS: Final = frozenset({
    "split", "subset", "partition", "set", "conjunto", "particion", "division",
})  # fmt: skip
_MODEL_SUFFIXES: Final = frozenset({
    ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".h5", ".keras", ".onnx", ".safetensors", ".joblib",
    ".gguf", ".tflite", ".npy", ".npz",
})  # fmt: skip
_ARCHIVE_SUFFIXES: Final = frozenset({
    ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst",
})  # fmt: skip
_SHEET_SUFFIXES: Final = frozenset({".numbers"})


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSource:
    """Examples as they were found; every column, ``fixed_split`` and ``targets`` are as long as ``files``.

    Attributes:
        root: The path or sample name.
        layout: How the data are laid out.
        files: The input files; None where a table's cells are all there is.
        columns: Columns by name: {"class": …} for folders and samples, else the table's without paths and splits.
        fixed_split: The user's own split of each example; None where there is none.
        problems: What is wrong.
        evidence: Why this layout was chosen, in sentences.
        medium: Medium of ``files``.
        file_field: What the user calls the column of ``files``.
        targets: Targets that are files or texts of their own; None otherwise.
        target_kind: Kind of ``targets``.
        classes: Class names of ``targets``.
        units: Units of numeric columns.
    """

    root: str
    layout: Layout
    files: ExampleCollection | None
    columns: Mapping[str, TableColumn]
    fixed_split: tuple[SplitName | None, ...]
    problems: tuple[Problem, ...]
    evidence: tuple[str, ...]
    medium: Medium = "image"
    file_field: str = "image"
    targets: ExampleCollection | None = None
    target_kind: FieldKind | None = None
    classes: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.fixed_split)

    @property
    def images(self) -> ImageCollection | None:
        """The files, where they are images; None otherwise."""
        return self.files if isinstance(self.files, ImageCollection) else None


def open_source(
    data: str | Path,
    *,
    target: str | None = None,
    max_pixels: int = MAX_PIXELS,
    sheet: str | None = None,
    follow_links: bool = False,
) -> DataSource:
    """List the examples at ``data``.

    Args:
        data: A folder, a table file or "sample:NAME".
        target: Target column; a folder with both class folders and a table that has it is read through the table.
        max_pixels: Limit of width × height of an image.
        sheet: Sheet of a workbook; by default the one with most cells laid out as a table.
        follow_links: Whether symbolic links that leave a folder are followed.

    Raises:
        CapasError: ``no_such_path``, ``no_pictures``, ``only_foreign_sounds``, ``only_foreign_pictures``,
            ``empty_folder``, ``foreign_model_file``, ``archive_not_unpacked``, ``spreadsheet``, ``single_picture``,
            ``not_data``, ``unreadable``, ``all_files_missing``, ``objects_to_find``, ``hub_not_available``, and those
            of ``read_table`` and ``open_sample``.
    """
    source = _open(data, target, max_pixels, sheet, follow_links)
    if isinstance(source.files, ImageFiles):
        files = source.files
        # What belongs to a mask, another picture or places on a page keeps its size.
        return replace(source, files=ImageFiles(files.paths, files.root, max_pixels, scale=source.targets is None))
    return source


def _open(data: str | Path, target: str | None, max_pixels: int, sheet: str | None, follow_links: bool) -> DataSource:
    text = str(data)
    if sheet is not None and not _has_workbook(text):
        raise CapasError("sheet_without_workbook", where=text, received=sheet)
    if isinstance(data, str) and text.startswith("sample:"):
        return _from_sample(text)
    if isinstance(data, str) and text.startswith("hf:"):
        raise CapasError("hub_not_available", where=text)
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return _from_folder(text, list_folder(path, follow_links=follow_links), target, max_pixels, sheet)
        if not path.exists():
            raise CapasError("no_such_path", where=text)
    except (OSError, ValueError) as error:  # a name that is too long, a loop of links, a NUL
        raise CapasError("no_such_path", where=text) from error
    if is_table_file(path):
        table = read_table(path, sheet)
        if (marked := segmented_audio_in_table(table, path.parent)) is not None:
            sides = marked.split_names or (None,) * len(marked.audio_files)
            return _from_pairs(text, None, segments_as_pairs(marked, path.parent, sides))
        return _from_table(text, table, "table", ())
    if path.suffix.casefold() in COLUMN_SUFFIXES:  # words in columns: what lies beside this file is not asked for
        listing = FolderListing(root=path.parent, others=[path])
        if (paired := find_paired_examples(listing, max_pixels)) is not None:
            return _from_pairs(text, None, paired)
    raise _not_data(path)


def _has_workbook(text: str) -> bool:
    """Whether this is a workbook, a folder with one, or nothing at all, which is another mistake."""
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return any(table.suffix.casefold() in SPREADSHEET_SUFFIXES for table in list_folder(path).tables)
        return path.suffix.casefold() in SPREADSHEET_SUFFIXES or not path.exists()
    except (OSError, ValueError):
        return True


def _not_data(path: Path) -> CapasError:
    """Why this one file is no data set."""
    suffix = path.suffix.casefold()
    for key, suffixes in (
        ("foreign_model_file", _MODEL_SUFFIXES),
        ("archive_not_unpacked", _ARCHIVE_SUFFIXES),
        ("spreadsheet", _SHEET_SUFFIXES),
    ):
        if suffix in suffixes:
            return CapasError(key, where=path, received=suffix)
    if suffix in UNSUPPORTED_IMAGE_SUFFIXES or looks_like_image(path):
        return CapasError("single_picture", where=path)
    return CapasError("not_data", where=path, received=suffix or path.name)


def _from_sample(text: str) -> DataSource:
    name = text.removeprefix("sample:")
    if (folder := sample_folder(name)) is not None:
        return _from_folder(text, list_folder(folder), None, MAX_PIXELS, None)
    sample = open_sample(name)
    fixed = tuple(split_from_name(split) if split else None for split in sample.fixed_split)
    return DataSource(
        root=text, layout="sample", files=sample.images, columns={CLASS_COLUMN: column_from_cells(sample.labels)},
        fixed_split=fixed, problems=(), evidence=(say("detect.sample", name=name, count=len(fixed)),),
    )  # fmt: skip


def _from_folder(
    text: str, listing: FolderListing, target: str | None, max_pixels: int, sheet: str | None
) -> DataSource:
    root = listing.root
    paired = find_paired_examples(listing, max_pixels) if target is None else None
    if target is None and (paired is None or paired.target_kind == "transcript"):
        _refuse_object_boxes(listing)
    if paired is not None:
        listing.exclude(paired.used)
        return _from_pairs(text, listing, paired)
    medium, files = _commonest(listing)
    if not files and not listing.tables:
        listing.exclude(())
        raise _nothing_inside(root, listing)
    listing.exclude(frozenset(files))
    classes = find_class_folders(listing, files)
    beside = _table_beside(listing, files, sheet) if classes is not None and target is None else None
    if classes is not None and beside is not None:
        if len(set(classes.labels)) < 2 or numbered_siblings(set(filter(None, classes.labels))):
            return _from_table(text, beside[0], "flat_folder", listing.problems(), listing)
        note = problems_from("table_beside", [beside[0].path.name], severity="note", values={"named": beside[1]})
        source = _from_classes(text, listing, classes, medium)
        return replace(source, problems=(*source.problems, *note))
    if listing.tables and (classes is None or target not in (None, CLASS_COLUMN)):
        parts = None if files else join_split_tables(listing.tables, sheet)
        if parts is not None:
            return _from_split_tables(text, parts, listing)
        table = _best_table(listing, sheet)
        if table is not None:
            return _from_table(text, table, "flat_folder" if files else "table", listing.problems(), listing)
    if classes is not None:
        return _from_classes(text, listing, classes, medium)
    return _unlabelled(text, listing, files, medium)


def _refuse_object_boxes(listing: FolderListing) -> None:
    """Raise CapasError ``objects_to_find`` where the pictures come with boxes of objects and without class folders."""
    form = find_object_boxes(listing)
    if form is None:
        return
    classes = find_class_folders(listing, listing.images)
    if classes is None or len(set(classes.labels)) < 2:
        raise CapasError("objects_to_find", where=listing.root, received=form)


def _table_beside(listing: FolderListing, files: Sequence[Path], sheet: str | None) -> tuple[Table, int] | None:
    """The table beside class folders that names most of their files, at least half, and how many it names."""
    best: tuple[Table, int] | None = None
    for path in listing.tables:
        try:
            table = read_table(path, sheet)
            column = find_path_column(table, (listing.root, *listing.folders))
        except CapasError:
            continue
        named = len(set(column.files) & set(files)) if column is not None else 0
        if len(table.columns) > 1 and 2 * named >= len(files) and (best is None or named > best[1]):
            best = (table, named)
    return best


def _commonest(listing: FolderListing) -> tuple[Medium, list[Path]]:
    """Images, sounds or texts, whichever the folder has most of; images where there are as many."""
    held: tuple[tuple[Medium, list[Path]], ...] = (
        ("image", listing.images), ("audio", listing.audio_files), ("text", listing.texts),
    )  # fmt: skip
    return max(held, key=lambda pair: len(pair[1]))


def file_collection(medium: Medium, paths: Sequence[Path], root: Path) -> ExampleCollection:
    """Return a collection of files of one medium."""
    if medium == "audio":
        return AudioFiles(paths, root)
    return TextCollection.from_files(paths, root) if medium == "text" else ImageFiles(paths, root)


def _from_pairs(text: str, listing: FolderListing | None, paired: PairedExamples) -> DataSource:
    evidence = paired.evidence
    if listing is not None and paired.target_kind == "transcript":
        folders = find_class_folders(listing, _commonest(listing)[1])
        if folders is not None and len(set(folders.labels)) > 1:
            evidence = (*evidence, say("detect.also_classes"))
    return DataSource(
        root=text, layout="pairs", files=paired.inputs, columns={}, fixed_split=paired.fixed_split,
        problems=(*(listing.problems() if listing else ()), *paired.problems), evidence=evidence, medium=paired.medium,
        file_field=paired.field, targets=paired.targets, target_kind=paired.target_kind, classes=paired.classes,
    )  # fmt: skip


def _nothing_inside(root: Path, listing: FolderListing) -> CapasError:
    skipped = [name for names in listing.skipped.values() for name in names]
    if "unreadable" in listing.skipped and len(listing.skipped) == 1:
        return CapasError("unreadable", where=root, received=listing.skipped["unreadable"][0])
    if not skipped:
        return CapasError("empty_folder", where=root)
    reasons = {"foreign_sound": "only_foreign_sounds", "foreign_picture": "only_foreign_pictures",
               "link_outside": "only_links_outside"}  # fmt: skip
    for kind, error in reasons.items():
        names = listing.skipped.get(kind, [])
        if 2 * len(names) > len(skipped):
            return CapasError(error, where=root, received=", ".join(sorted(names)[:3]), count=len(names))
    return CapasError("no_pictures", where=root, received=", ".join(sorted(skipped)[:3]), count=len(skipped))


def _from_classes(text: str, listing: FolderListing, found_classes: ClassFolders, medium: Medium) -> DataSource:
    return DataSource(
        root=text, layout="split_folders" if found_classes.split else "class_folders",
        files=file_collection(medium, found_classes.paths, listing.root),
        medium=medium,
        file_field=FILE_FIELDS[medium],
        columns={CLASS_COLUMN: column_from_cells(found_classes.labels)},
        fixed_split=found_classes.split_names,
        problems=(
            *listing.problems(),
            *problems_from("empty_class", found_classes.empty),
            *problems_from("outside_classes", found_classes.outside),
        ),
        evidence=_folder_evidence(listing, found_classes),
    )  # fmt: skip


def _folder_evidence(listing: FolderListing, classes: ClassFolders) -> tuple[str, ...]:
    names = sorted({label for label in classes.labels if label}, key=natural_key)
    shown = escape_unprintable(", ".join(names[:5])) + (", …" if len(names) > 5 else "")
    lines = [say("detect.class_folders", count=len(names), names=shown)]
    if classes.base != listing.root:
        lines.insert(0, say("detect.wrapper", name=escape_unprintable(listing.relative_name(classes.base))))
    if classes.parts:
        lines.append(say("detect.numbered_parts", names=escape_unprintable(", ".join(classes.parts[:5]))))
    if classes.split:
        counts = [
            say("detect.split_count", split=say(f"splits.{name}"), count=classes.split_names.count(name))
            for name in ("train", "validation", "test")
            if name in classes.split_names
        ]
        lines.append(say("detect.split_folders", splits=", ".join(counts)))
    return tuple(lines)


def _unlabelled(text: str, listing: FolderListing, files: Sequence[Path], medium: Medium) -> DataSource:
    """Files without class folders or table: listed all the same, so that ``detect`` can say what is missing."""
    tops = [path.relative_to(listing.root).parts[0] for path in files]
    return DataSource(
        root=text, layout="flat_folder", files=file_collection(medium, files, listing.root),
        medium=medium, file_field=FILE_FIELDS[medium], columns={},
        fixed_split=tuple(split_from_name(top) for top in tops), problems=listing.problems(),
        evidence=(say("detect.unlabelled", count=len(files)),),
    )  # fmt: skip


def _best_table(listing: FolderListing, sheet: str | None) -> Table | None:
    """The table that names most of the folder's images; without images, the first that can be read."""
    best: tuple[int, Table] | None = None
    failed: CapasError | None = None
    for path in sorted(listing.tables, key=lambda path: (len(path.parts), natural_key(path.name))):
        try:
            table = read_table(path, sheet)
            column = find_path_column(table, (listing.root, *listing.folders))
        except CapasError as error:
            failed = failed or error
            continue
        named = sum(file is not None for file in column.files) if column else 0
        if (named or not listing.images) and (best is None or named > best[0]):
            best = (named, table)
    if best is None and failed is not None:
        raise failed
    return best[1] if best else None


def _from_split_tables(text: str, parts: SplitTables, listing: FolderListing) -> DataSource:
    source = _from_table(text, parts.table, "table", listing.problems(), listing)
    lines = [
        say("detect.split_table_without", name=name, columns=", ".join(map(escape_unprintable, lacking)))
        for name, lacking in parts.without_columns.items()
    ]
    if len(parts.files) == 1:
        return replace(source, evidence=(*source.evidence, *lines))
    joined = say("detect.split_tables", names=", ".join(parts.files))
    return replace(source, fixed_split=parts.splits, evidence=(*source.evidence, joined, *lines))


def _from_table(
    text: str, table: Table, layout: Layout, problems: tuple[Problem, ...], listing: FolderListing | None = None
) -> DataSource:
    column = find_path_column(table, () if listing is None else (listing.root, *listing.folders))
    kept = range(table.rows) if column is None else [i for i, file in enumerate(column.files) if file is not None]
    if column is not None and not kept:
        raise CapasError("all_files_missing", where=table.path, received=column.values[0], column=column.name)
    split_column, fold_column = _split_column(table), None
    sides = map_cells(table.columns[split_column], _split_of_cell) if split_column else None
    if sides is None and (folds := _fold_column(table)) is not None:
        fold_column, sides = folds
    fixed = tuple(sides[i] if sides else None for i in kept)
    left = {name for name in (column.name if column else None, split_column, fold_column) if name}
    source = DataSource(
        root=text, layout=layout, files=None, medium="table", file_field="row",
        columns={n: c if column is None else c.take(kept) for n, c in table.columns.items() if n not in left},
        fixed_split=fixed, problems=(*problems, *table.problems),
        evidence=(
            *_table_evidence(table, column, split_column),
            *((say("detect.fold_column", column=escape_unprintable(fold_column)),) if fold_column else ()),
        ),
        units=table.units,
    )  # fmt: skip
    return source if column is None else _with_files(source, table, column, listing)


def _split_column(table: Table) -> str | None:
    """The column that says which split a row belongs to, by its name and by what it holds."""
    for name, column in table.columns.items():
        if normalise_name(name) in SPLIT_COLUMNS and all(map(_split_of_cell, column.value_counts())):
            return name
    return None


def _fold_column(table: Table) -> tuple[str, list[SplitName | None]] | None:
    """The column called "fold" with 3 to 20 numbers, and the split of each row: the last fold is the test."""
    for name, column in table.columns.items():
        if normalise_name(name) not in FOLD_NAMES:
            continue
        folds = numbered_siblings([f"fold {class_label(cell)}" for cell in column.value_counts()])
        if 3 <= len(folds) <= 20:
            return name, map_cells(column, partial(_split_of_fold, folds))
    return None


def _split_of_fold(folds: Sequence[str], cell: Cell) -> SplitName | None:
    return split_from_fold(f"fold {class_label(cell)}", folds)


def _split_of_cell(cell: Cell) -> SplitName | None:
    return split_from_name(str(cell)) if cell else None


def _with_files(source: DataSource, table: Table, column: PathColumn, listing: FolderListing | None) -> DataSource:
    files = [file for file in column.files if file is not None]
    medium = column.medium
    missing = [value for value, file in zip(column.values, column.files, strict=True) if file is None]
    problems = (*source.problems, *problems_from("missing_file", missing))
    if listing is not None:
        named = {file.resolve() for file in files}
        held = {"image": listing.images, "audio": listing.audio_files, "text": listing.texts}[medium]
        extra = [listing.relative_name(path) for path in held if path.resolve() not in named]
        problems = (*problems, *problems_from("not_in_table", extra, severity="note"))
    root = listing.root if listing else table.path.parent
    return replace(
        source, files=file_collection(medium, files, root), medium=medium, problems=problems, file_field=column.name
    )


def _table_evidence(table: Table, column: PathColumn | None, split_column: str | None) -> tuple[str, ...]:
    lines = [say("detect.table", name=table.path.name, rows=table.rows, columns=len(table.columns))]
    if column is not None:
        present = sum(file is not None for file in column.files)
        lines.append(say(f"detect.{column.medium}_column", column=column.name, count=present))
    if split_column:
        lines.append(say("detect.split_column", column=split_column))
    return tuple(lines)
