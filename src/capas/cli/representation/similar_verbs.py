"""``capas index`` and ``capas similar``: a folder of vectors, and what is similar in it."""

import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from rich.text import Text

from capas.cli import show
from capas.cli.representation.embed_verbs import open_both
from capas.core.errors import CapasError
from capas.core.i18n import LANGUAGES, catalogue, say
from capas.core.number_format import format_decimal, format_metric
from capas.core.output_files import OutputKind, check_output
from capas.data.problems import escape_unprintable
from capas.data.tabular.write import OutputColumn, check_table_suffix, default_csv_format, table_output, write_table
from capas.representation.encoders import open_encoder
from capas.representation.index.cell_building import cells_needed, update_cells
from capas.representation.index.cells import faiss_available
from capas.representation.index.closeness import RandomPairs
from capas.representation.index.column_filter import parse_conditions
from capas.representation.index.duplicates import DuplicateGroups, near_duplicate_groups
from capas.representation.index.indexing import IndexedData, index_data, index_vectors, remove_items
from capas.representation.index.item_files import ItemFiles
from capas.representation.index.queries import SimilarityQuery, on_one_line, open_query
from capas.representation.index.rebuild import RebuiltIndex, mostly_gone, rebuild_index
from capas.representation.index.results_page import (
    RESULTS_PAGE,
    nothing_found,
    trimmed,
    write_duplicates_page,
    write_similar_page,
)
from capas.representation.index.search import Reason, SimilarItem, SimilarItems, SimilarityIndex
from capas.representation.index.snapshot import IndexedItem
from capas.representation.vector_files import holds_vectors, open_vectors

PRINTED_GROUPS: Final = 20
PRINTED_MEMBERS: Final = 8
CELL_WIDTH: Final = 40


def index(
    words: Sequence[str], out: str, *, network: str | None, column: str | None, sheet: str | None,
    remove: Sequence[str], rebuild: bool, as_json: bool,
) -> None:  # fmt: skip
    """Fill an index, take items away, or write it anew; without words show what it holds.

    Raises CapasError ``index_words`` and those of ``index_data``, ``remove_items`` and ``rebuild_index``.
    """
    asked = [*words[:1], *(["--remove"] if remove else []), *(["--rebuild"] if rebuild else [])]
    if len(asked) > 1:
        raise CapasError("index_words", where="capas index", received=" ".join(asked))
    filled: IndexedData | None = None
    rebuilt: RebuiltIndex | None = None
    removed = 0
    with show.stages(quiet=as_json) as stages:
        try:
            if words:
                filled = _fill(words, out, network, column, sheet, stages)
            elif remove:
                removed = remove_items(out, remove)
            if rebuild or (asked and mostly_gone(SimilarityIndex(out).snapshot)):
                done = rebuild_index(out, lambda now, total: stages("rebuild", now, total))
                rebuilt = done if rebuild else None
            if asked and faiss_available() and cells_needed(SimilarityIndex(out).snapshot):
                update_cells(out, lambda now, total: stages("cells", now, total), anew=rebuild)
        except KeyboardInterrupt:
            show.notes().print(say("index.stopped"))
            raise
    opened = SimilarityIndex(out)
    if as_json:
        show.print_json(index_tree(opened, out, filled, removed, rebuilt))
    else:
        _print_index(opened, out, filled, removed, rebuilt)


def _fill(
    words: Sequence[str], out: str, network: str | None, column: str | None, sheet: str | None, stages: show.Stages
) -> IndexedData:
    def progress(now: int, total: int) -> None:
        stages("index", now, total)

    if len(words) == 1 and network is None and holds_vectors(words[0]):
        return index_vectors(open_vectors(words[0]), out, progress)
    encoder, data = open_both(list(words), network, column, sheet)
    return index_data(encoder, data, out, progress)


def index_tree(
    opened: SimilarityIndex, out: str, filled: IndexedData | None, removed: int, rebuilt: RebuiltIndex | None
) -> dict[str, object]:
    """Return what ``capas index --json`` prints."""
    manifest, recall, reason = opened.snapshot.manifest, *_way(opened)
    return {
        "index": out, "count": len(opened), "dimensions": manifest.dimensions, "precision": manifest.precision,
        "encoder": manifest.encoder, "fingerprint": manifest.fingerprint, "medium": manifest.medium,
        "data": list(dict.fromkeys(opened.snapshot.sources)),
        "added": 0 if filled is None else filled.items.added,
        "replaced": 0 if filled is None else filled.items.replaced,
        "unchanged": 0 if filled is None else filled.items.unchanged,
        "failed": [] if filled is None else
        [{"input": name, "reason": text} for name, text in filled.failed.items()],
        "removed": removed, "lost": 0 if rebuilt is None else rebuilt.lost,
        "records_lost": 0 if rebuilt is None else rebuilt.records_lost,
        "exact": recall is None, "recall": recall, "reason": reason,
    }  # fmt: skip


def _way(opened: SimilarityIndex) -> tuple[dict[str, object] | None, Reason | None]:
    """The recall of a search among all items; None of an exact one, and why it is so slow."""
    if not cells_needed(opened.snapshot):
        return None, None
    if opened.cells is None:
        return None, "no_cells" if faiss_available() else "no_extra"
    return opened.cells.measured.recall, None


def _print_index(
    opened: SimilarityIndex, out: str, filled: IndexedData | None, removed: int, rebuilt: RebuiltIndex | None
) -> None:
    screen, manifest = show.results(), opened.snapshot.manifest
    if len(opened) == 1:
        key = "index.holds_one_by" if manifest.encoder else "index.holds_one"
    else:
        key = "index.holds_by" if manifest.encoder else "index.holds"
    screen.print(say(key, path=out, n=show.whole(len(opened)),
                     dimensions=show.whole(manifest.dimensions), encoder=manifest.encoder), soft_wrap=True)  # fmt: skip
    if filled is not None:
        counts = (("added", filled.items.added), ("replaced", filled.items.replaced),
                  ("unchanged", filled.items.unchanged))  # fmt: skip
        screen.print(" · ".join(say(f"index.{name}", n=show.whole(count)) for name, count in counts if count))
    if removed:
        screen.print(say("index.removed", n=show.whole(removed)))
    warnings = []
    if rebuilt is not None:
        screen.print(say("index.rebuilt", kept=show.whole(rebuilt.kept)))
        warnings += [say("index.lost", n=show.whole(rebuilt.lost))] if rebuilt.lost else []
        warnings += [say("index.records_lost", n=show.whole(rebuilt.records_lost))] if rebuilt.records_lost else []
    recall, reason = _way(opened)
    if recall is not None:
        screen.print(Text(approximate("index.approximate", recall), "dim"), soft_wrap=True)
    elif reason is None:
        screen.print(Text(say("index.exact"), "dim"))
    else:
        warnings.append(say("index.no_extra") if reason == "no_extra" else say("index.no_cells", path=out))
    if filled is not None and filled.failed:
        name, text = next(iter(filled.failed.items()))
        total = filled.items.added + filled.items.replaced + filled.items.unchanged + len(filled.failed)
        warnings.append(say("index.failed", n=show.whole(len(filled.failed)), total=show.whole(total), name=name,
                            reason=text))  # fmt: skip
    for line in warnings:
        screen.print(Text(f"! {line}", "yellow"), soft_wrap=True)


def approximate(key: str, recall: Mapping[str, object]) -> str:
    """Return the sentence that says what an approximate search finds."""
    return say(key, recall=format_metric(recall), n=show.whole(int(str(recall["n"]))))


def similar(
    folder: str, given: str | None, *, k: int, where: Sequence[str], text: str | None, html: str | None,
    open_page: bool, duplicates: bool, min_similarity: float, csv: str | None, network: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Print what is similar to a query, or the near duplicates of an index; write pages and tables that are asked for.

    Raises CapasError ``similar_words`` and those of ``open_query`` and of ``SimilarityIndex.search``.
    """
    forms = {"INPUT": given is not None, "--text": text is not None, "--duplicates": duplicates}
    asked = [name for name, there in forms.items() if there]
    if len(asked) > 1:
        raise CapasError("similar_words", where="capas similar", received=", ".join(asked))
    page = Path(html) if html is not None else Path("similar.html") if open_page else None
    if page is not None:
        check_output(page, RESULTS_PAGE, "--html")
    if csv is not None:
        check_table_suffix(Path(csv))
        check_output(Path(csv), _table_kind(), "--csv")
    opened, conditions = SimilarityIndex(folder), parse_conditions(where)
    files = ItemFiles(opened.snapshot.manifest.medium)
    if duplicates:
        with show.stages(quiet=as_json) as stages:
            names = iter(("neighbours", "groups"))
            stage = next(names)

            def progress(now: int, total: int) -> None:
                nonlocal stage
                stages(stage, now, total)
                stage = next(names, stage) if now == total else stage

            found = near_duplicate_groups(opened, min_similarity, conditions, progress)
        listed = _Groups(opened, files, found, min_similarity)
        if page is not None:
            write_duplicates_page(page, opened, files, found, min_similarity)
        _tell(listed.tree(), listed.print, listed.columns(), csv, page, open_page, as_json)
        return
    encoder = None if network is None else open_encoder(network)
    query = open_query(opened, given, text=text, encoder=encoder)
    own = () if query.found is None else (query.found.row,)
    results = opened.search(query.vector, k, conditions, without=own)
    hits = _Hits(opened, files, query, results)
    if page is not None:
        write_similar_page(page, opened, files, query, results)
    _tell(hits.tree(), hits.print, hits.columns(), csv, page, open_page, as_json)


def _tell(
    tree: dict[str, object], print_all: Callable[[], None], columns: Sequence[OutputColumn], csv: str | None,
    page: Path | None, open_page: bool, as_json: bool,
) -> None:  # fmt: skip
    if csv is not None:
        write_table(Path(csv), columns, default_csv_format())
    if as_json:
        show.print_json(tree)
    else:
        print_all()
    for path in (csv, page):
        if path is not None:
            show.notes().print(say("similar.written", path=path), soft_wrap=True)
    if page is not None and open_page:
        webbrowser.open(page.absolute().as_uri())


def _table_kind() -> OutputKind:
    """Tables that this command wrote, in any language."""
    heads = [
        [catalogue(tongue)[f"similar.columns.{name}"] for name in (first, "similarity", "name", "path", "missing")]
        for tongue in LANGUAGES
        for first in ("rank", "group")
    ]
    return table_output(*heads)


def item_tree(found: IndexedItem, files: ItemFiles) -> dict[str, object]:
    """Return an item as JSON shows it."""
    path = files.path(found)
    return {"name": found.item.name, "columns": dict(found.item.columns), "data": found.data,
            "path": None if path is None else str(path), "missing": files.missing(found)}  # fmt: skip


def _item_columns(items: Sequence[IndexedItem], files: ItemFiles) -> list[OutputColumn]:
    """The columns of a table that tell which items they are."""
    own = list(dict.fromkeys(name for found in items for name in found.item.columns))
    paths = [files.path(found) for found in items]
    fixed: dict[str, Sequence[object]] = {
        "name": [found.item.name for found in items],
        "path": ["" if path is None else str(path) for path in paths],
        "missing": [files.missing(found) for found in items],
    }
    return [
        *(OutputColumn(name=say(f"similar.columns.{name}"), cells=cells) for name, cells in fixed.items()),
        *(OutputColumn(name=name, cells=[found.item.columns.get(name, "") for found in items]) for name in own),
    ]


class _Hits:
    """What a search found, as it is told."""

    def __init__(
        self, opened: SimilarityIndex, files: ItemFiles, query: SimilarityQuery, results: SimilarItems
    ) -> None:
        self.opened, self.files, self.query, self.results = opened, files, query, results
        self.hits: Sequence[SimilarItem] = results.items[0]
        self.pairs = RandomPairs(opened.snapshot)

    def tree(self) -> dict[str, object]:
        results = self.results
        return {
            "index": str(self.opened.snapshot.folder), "query": self.query.name, "searched": results.searched,
            "exact": results.exact, "recall": results.recall, "reason": results.reason,
            "results": [
                {
                    "rank": rank, "similarity": round(hit.similarity, 6),
                    "closer_than": self.pairs.share_below(hit.similarity), **item_tree(hit.found, self.files),
                }
                for rank, hit in enumerate(self.hits, start=1)
            ],
        }  # fmt: skip

    def columns(self) -> list[OutputColumn]:
        ranks = list(range(1, len(self.hits) + 1))
        return [
            OutputColumn(name=say("similar.columns.rank"), cells=ranks),
            OutputColumn(name=say("similar.columns.similarity"), cells=[hit.similarity for hit in self.hits],
                         decimals=4),
            *_item_columns([hit.found for hit in self.hits], self.files),
        ]  # fmt: skip

    def print(self) -> None:
        screen = show.results()
        if not self.hits:
            screen.print(nothing_found(self.opened, self.results))
            return
        found = "similar.found_one" if len(self.hits) == 1 else "similar.found"
        screen.print(Text(say(found, n=show.whole(len(self.hits)), query=on_one_line(self.query.name),
                              total=show.whole(self.results.searched)), "bold"), soft_wrap=True)  # fmt: skip
        for rank, hit in enumerate(self.hits, start=1):
            words = self.pairs.closeness(hit.similarity)
            parts = [(f"{rank:>3}  ", "dim"), (format_decimal(hit.similarity, 3), f"bold {show.ACCENT}"),
                     (f"  {show.bar(max(0.0, hit.similarity), 10):<10}  ", show.ACCENT),
                     (escape_unprintable(hit.found.item.name), "")]  # fmt: skip
            beside = [f"{name}: {_shortened(cell)}" for name, cell in hit.found.item.columns.items() if cell]
            if words is not None:
                beside.insert(0, say(f"similar.words.{words}"))
            parts.append((f"  {' · '.join(beside)}", "dim"))
            if self.files.missing(hit.found):
                parts.append((f"  ! {say('similar.missing')}", "yellow"))
            screen.print(Text.assemble(*parts), soft_wrap=True)
        _print_way(self.results.recall, self.results.reason, str(self.opened.snapshot.folder))
        if self.query.truncated:
            show.notes().print(Text(f"! {say('similar.truncated')}", "yellow"), soft_wrap=True)


class _Groups:
    """Groups of near duplicates, as they are told."""

    def __init__(
        self, opened: SimilarityIndex, files: ItemFiles, found: DuplicateGroups, min_similarity: float
    ) -> None:
        self.opened, self.files, self.found, self.min_similarity = opened, files, found, min_similarity
        self.items = [opened.snapshot.items(np.array(group.rows)) for group in found.groups]

    @property
    def extra(self) -> int:
        """How many items would be left out if one of each group were kept."""
        return sum(len(group.rows) - 1 for group in self.found.groups)

    def tree(self) -> dict[str, object]:
        return {
            "index": str(self.opened.snapshot.folder), "min_similarity": self.min_similarity,
            "searched": self.found.searched, "exact": self.found.exact, "recall": self.found.recall,
            "extra": self.extra,
            "groups": [
                [
                    {"similarity": round(similarity, 6), **item_tree(item, self.files)}
                    for similarity, item in zip(group.similarities, items, strict=True)
                ]
                for group, items in zip(self.found.groups, self.items, strict=True)
            ],
        }  # fmt: skip

    def columns(self) -> list[OutputColumn]:
        numbers = [number for number, group in enumerate(self.found.groups, start=1) for _ in group.rows]
        similarities = [value for group in self.found.groups for value in group.similarities]
        return [
            OutputColumn(name=say("similar.columns.group"), cells=numbers),
            OutputColumn(name=say("similar.columns.similarity"), cells=similarities, decimals=4),
            *_item_columns([item for items in self.items for item in items], self.files),
        ]

    def print(self) -> None:
        screen = show.results()
        least, total = trimmed(self.min_similarity), show.whole(self.found.searched)
        if not self.items:
            screen.print(say("similar.no_groups", total=total, least=least))
            return
        screen.print(Text(say("similar.groups", n=show.whole(len(self.items)), total=total, least=least,
                              extra=show.whole(self.extra)), "bold"), soft_wrap=True)  # fmt: skip
        for group, items in list(zip(self.found.groups, self.items, strict=True))[:PRINTED_GROUPS]:
            screen.print(Text(say("similar.group", n=show.whole(len(items))), show.ACCENT))
            for similarity, item in list(zip(group.similarities, items, strict=True))[:PRINTED_MEMBERS]:
                gone = f"  ! {say('similar.missing')}" if self.files.missing(item) else ""
                parts = [(f"  {format_decimal(similarity, 3)}  ", "dim"), (escape_unprintable(item.item.name), ""),
                         (gone, "yellow")]  # fmt: skip
                screen.print(Text.assemble(*parts), soft_wrap=True)
            if len(items) > PRINTED_MEMBERS:
                screen.print(Text(f"  {say('similar.more', n=show.whole(len(items) - PRINTED_MEMBERS))}", "dim"))
        if len(self.items) > PRINTED_GROUPS:
            screen.print(Text(say("similar.more", n=show.whole(len(self.items) - PRINTED_GROUPS)), "dim"))
        _print_way(self.found.recall, None, str(self.opened.snapshot.folder))


def _print_way(recall: Mapping[str, object] | None, reason: Reason | None, folder: str) -> None:
    if recall is not None:
        show.results().print(Text(approximate("similar.approximate", recall), "dim"), soft_wrap=True)
    elif reason is not None:
        text = say("index.no_extra") if reason == "no_extra" else say("index.no_cells", path=folder)
        show.notes().print(Text(f"! {text}", "yellow"), soft_wrap=True)


def _shortened(cell: str) -> str:
    return cell if len(cell) <= CELL_WIDTH else cell[: CELL_WIDTH - 1] + "…"
