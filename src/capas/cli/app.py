"""The verbs and their options. Each verb's work is imported when it is called."""

from enum import StrEnum
from typing import Annotated

import typer

from capas.cli.archive.app import archive
from capas.cli.board_app import board
from capas.cli.options import (
    AugmentWith,
    Condition,
    Count,
    CsvForm,
    Data,
    Group,
    Guidance,
    InitFrom,
    Inputs,
    Json,
    Level,
    Method,
    NetworkOption,
    Out,
    Prompt,
    ReportOption,
    RunArgument,
    RunArguments,
    SampleFolder,
    Sampler,
    SampleSeed,
    Seed,
    Settings,
    Sheet,
    Steps,
    Target,
    Task,
    Time,
    Truncation,
    Unlabelled,
    complete_data,
    complete_indexes,
)
from capas.cli.score_app import challenge, score
from capas.cli.usage import Verbs
from capas.core.i18n import LANGUAGES, say
from capas.version import __version__

app = typer.Typer(
    cls=Verbs,
    help=say("cli.help"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Language(StrEnum):
    """The languages of ``--lang``."""

    EN = "en"
    ES = "es"


assert [language.value for language in Language] == list(LANGUAGES)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"capas {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def common(
    lang: Annotated[Language | None, typer.Option(help=say("cli.lang"))] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help=say("cli.version"))
    ] = False,
) -> None:
    """Options that stand before the verb; ``--lang`` was already read by ``main``."""


@app.command(help=say("cli.look"))
def look(
    data: Data,
    task: Task = None,
    target: Target = None,
    sheet: Sheet = None,
    group: Group = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    from capas.cli import data_verbs

    data_verbs.look(
        data, data_verbs.changes(task=task, target=target, sheet=sheet, group=group, settings=settings), as_json
    )


@app.command(help=say("cli.plan"))
def plan(
    data: Data,
    out: Out = None,
    task: Task = None,
    target: Target = None,
    sheet: Sheet = None,
    group: Group = None,
    network: NetworkOption = None,
    time: Time = None,
    seed: Seed = None,
    method: Method = None,
    unlabelled: Unlabelled = None,
    init_from: InitFrom = None,
    augment_with: AugmentWith = None,
    settings: Settings = None,
) -> None:
    from capas.cli import data_verbs

    wanted = data_verbs.changes(
        task=task,
        target=target,
        sheet=sheet,
        group=group,
        network=network,
        time=time,
        seed=seed,
        method=method,
        unlabelled=unlabelled,
        init_from=init_from,
        augment_with=augment_with,
        settings=settings,
    )
    data_verbs.plan(data, wanted, out)


@app.command(help=say("cli.train"))
def train(
    data: Data,
    task: Task = None,
    target: Target = None,
    sheet: Sheet = None,
    group: Group = None,
    network: NetworkOption = None,
    time: Time = None,
    seed: Seed = None,
    report: Annotated[ReportOption | None, typer.Option(help=say("cli.report"))] = None,
    method: Method = None,
    unlabelled: Unlabelled = None,
    init_from: InitFrom = None,
    augment_with: AugmentWith = None,
    settings: Settings = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    from capas.cli import data_verbs, train_verbs

    level = None if report is None else report.value
    wanted = data_verbs.changes(
        task=task,
        target=target,
        sheet=sheet,
        group=group,
        network=network,
        time=time,
        seed=seed,
        report=level,
        method=method,
        unlabelled=unlabelled,
        init_from=init_from,
        augment_with=augment_with,
        settings=settings,
    )
    train_verbs.train(data, wanted, out, as_json)


@app.command(help=say("cli.resume"))
def resume(run: RunArgument, as_json: Json = False) -> None:
    from capas.cli import train_verbs

    train_verbs.resume(run, as_json)


@app.command(help=say("cli.test"))
def test(
    run: RunArgument,
    data: Annotated[str | None, typer.Option(metavar="DATA", help=say("cli.test_data"))] = None,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    from capas.cli import train_verbs

    train_verbs.test(run, data, sheet, as_json)


@app.command(help=say("cli.predict"))
def predict(
    run: RunArgument,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help=say("cli.inputs"))],
    limit: Annotated[int | None, typer.Option(min=1, help=say("cli.limit"))] = None,
    top: Annotated[int, typer.Option(min=1, help=say("cli.top"))] = 3,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE|FOLDER", help=say("cli.predict_out"))] = None,
    sheet: Sheet = None,
    csv_format: Annotated[CsvForm | None, typer.Option("--csv-format", help=say("cli.csv_format"))] = None,
    batch_size: Annotated[int, typer.Option(min=1, help=say("cli.batch_size"))] = 64,
    answer_all: Annotated[bool, typer.Option("--answer-all", help=say("cli.answer_all"))] = False,
    to: Annotated[str | None, typer.Option("--to", metavar="FOLDER", help=say("cli.toward"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import use_verbs

    use_verbs.predict(
        run,
        inputs,
        limit=limit,
        top=top,
        out=out,
        sheet=sheet,
        csv_format=None if csv_format is None else csv_format.value,
        batch_size=batch_size,
        answer_all=answer_all,
        as_json=as_json,
        to=to,
    )


@app.command(help=say("cli.export"))
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option(help=say("cli.to"))] = "onnx",
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help=say("cli.export_out"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import use_verbs

    use_verbs.export(run, to, out, as_json)


@app.command(help=say("cli.trust"))
def trust(
    runs: RunArguments,
    level: Annotated[Level, typer.Option(help=say("cli.level"))] = Level.STANDARD,
    compare: Annotated[bool, typer.Option("--compare", help=say("cli.compare"))] = False,
    time: Annotated[str | None, typer.Option(metavar="10m", help=say("cli.trust_time"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import data_verbs, trust_verbs

    trust_verbs.trust(runs, level.value, compare, None if time is None else data_verbs.parse_time(time), as_json)


@app.command(help=say("cli.explain"))
def explain(
    run: RunArgument,
    inputs: Inputs,
    of: Annotated[str | None, typer.Option(metavar="CLASS", help=say("cli.explain_of"))] = None,
    method: Annotated[str | None, typer.Option("--method", metavar="METHOD", help=say("cli.explain_by"))] = None,
    limit: Annotated[int | None, typer.Option(min=1, help=say("cli.limit"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.explain_out"))] = None,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    from capas.cli import why_verbs

    why_verbs.explain(run, inputs, of=of, by=method, limit=limit, out=out, sheet=sheet, as_json=as_json)


@app.command(help=say("cli.attack"))
def attack(
    run: RunArgument,
    inputs: Inputs,
    size: Annotated[float, typer.Option(min=0.001, max=1.0, help=say("cli.attack_size"))] = 0.03,
    target: Annotated[str | None, typer.Option(metavar="CLASS", help=say("cli.attack_target"))] = None,
    limit: Annotated[int | None, typer.Option(min=1, help=say("cli.limit"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.explain_out"))] = None,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    from capas.cli import why_verbs

    why_verbs.attack(run, inputs, size=size, target=target, limit=limit, out=out, sheet=sheet, as_json=as_json)


class PrecisionOption(StrEnum):
    """Type of the numbers of vectors."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


@app.command(help=say("embed.verb"))
def embed(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NETWORK] DATA", help=say("embed.data"), autocompletion=complete_data, show_default=False
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", metavar="VECTORS", help=say("embed.out"), show_default=False)],
    network: Annotated[str | None, typer.Option(metavar="NAME", help=say("embed.encoder"))] = None,
    precision: Annotated[PrecisionOption, typer.Option(help=say("embed.precision"))] = PrecisionOption.FLOAT32,
    column: Annotated[str | None, typer.Option(metavar="COLUMN", help=say("embed.column"))] = None,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    from capas.cli.representation import embed_verbs

    embed_verbs.embed(
        words, out, encoder=network, precision=precision.value, column=column, sheet=sheet, as_json=as_json
    )


@app.command(help=say("index.help"))
def index(
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="INDEX", help=say("index.out"), autocompletion=complete_indexes, show_default=False
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NETWORK] DATA|VECTORS", help=say("index.words"), autocompletion=complete_data, show_default=False
        ),
    ] = None,
    network: Annotated[str | None, typer.Option(metavar="NAME", help=say("index.network"))] = None,
    column: Annotated[str | None, typer.Option(metavar="COLUMN", help=say("index.column"))] = None,
    sheet: Sheet = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="NAME|PATTERN", help=say("index.remove"))] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help=say("index.rebuild"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli.representation import similar_verbs

    similar_verbs.index(
        words or [], out, network=network, column=column, sheet=sheet, remove=remove or [], rebuild=rebuild,
        as_json=as_json,
    )  # fmt: skip


@app.command(help=say("similar.help"))
def similar(
    index: Annotated[
        str,
        typer.Argument(metavar="INDEX", help=say("similar.index"), autocompletion=complete_indexes, show_default=False),
    ],
    given: Annotated[str | None, typer.Argument(metavar="INPUT", help=say("similar.input"), show_default=False)] = None,
    k: Annotated[int, typer.Option("-k", min=1, help=say("similar.k"))] = 10,
    where: Annotated[list[str] | None, typer.Option(metavar="COLUMN=VALUE", help=say("similar.where"))] = None,
    text: Annotated[str | None, typer.Option(metavar="WORDS", help=say("similar.text"))] = None,
    html: Annotated[str | None, typer.Option(metavar="PAGE", help=say("similar.html"))] = None,
    open_page: Annotated[bool, typer.Option("--open", help=say("similar.open"))] = False,
    duplicates: Annotated[bool, typer.Option("--duplicates", help=say("similar.duplicates"))] = False,
    min_similarity: Annotated[float, typer.Option(min=0.0, max=1.0, help=say("similar.min_similarity"))] = 0.97,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help=say("similar.csv"))] = None,
    network: Annotated[str | None, typer.Option(metavar="NAME", help=say("similar.network"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli.representation import similar_verbs

    similar_verbs.similar(
        index, given, k=k, where=where or [], text=text, html=html, open_page=open_page, duplicates=duplicates,
        min_similarity=min_similarity, csv=csv, network=network, as_json=as_json,
    )  # fmt: skip


@app.command(help=say("same.help"))
def same(
    run: RunArgument,
    first: Annotated[str | None, typer.Argument(metavar="A", help=say("same.first"), show_default=False)] = None,
    second: Annotated[str | None, typer.Argument(metavar="B", help=say("same.second"), show_default=False)] = None,
    pairs: Annotated[str | None, typer.Option(metavar="TABLE", help=say("same.pairs"))] = None,
    all_of: Annotated[str | None, typer.Option("--all", metavar="FOLDER", help=say("same.all"))] = None,
    cost_false_match: Annotated[float, typer.Option(help=say("same.cost_false_match"))] = 1.0,
    cost_false_non_match: Annotated[float, typer.Option(help=say("same.cost_false_non_match"))] = 1.0,
    prior: Annotated[float, typer.Option(help=say("same.prior"))] = 0.5,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help=say("same.csv"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli.representation import same_verbs
    from capas.representation.verify import OperatingPoint

    point = OperatingPoint(prior=prior, cost_false_match=cost_false_match, cost_false_non_match=cost_false_non_match)
    same_verbs.same(
        run, first, second, pairs=pairs, folder=all_of, point=point, csv=csv, as_json=as_json,
    )  # fmt: skip


@app.command("map", help=say("map.help"))
def draw_map(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NETWORK] DATA|VECTORS", help=say("map.data"), autocompletion=complete_data, show_default=False
        ),
    ],
    network: Annotated[str | None, typer.Option(metavar="NAME", help=say("map.network"))] = None,
    method: Annotated[str | None, typer.Option(metavar="METHOD", help=say("map.method"))] = None,
    colour: Annotated[str | None, typer.Option(metavar="COLUMN", help=say("map.colour"))] = None,
    out: Annotated[str, typer.Option("--out", "-o", metavar="PAGE", help=say("map.out"))] = "map.html",
    open_page: Annotated[bool, typer.Option("--open", help=say("map.open"))] = False,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help=say("map.csv"))] = None,
    column: Annotated[str | None, typer.Option(metavar="COLUMN", help=say("map.column"))] = None,
    sheet: Sheet = None,
    seed: Annotated[int, typer.Option(min=0, help=say("map.seed"))] = 0,
    as_json: Json = False,
) -> None:
    from capas.cli.representation import map_verbs

    map_verbs.draw_map(
        words, network=network, method=method, colour=colour, out=out, open_page=open_page, csv=csv, column=column,
        sheet=sheet, seed=seed, as_json=as_json,
    )  # fmt: skip


@app.command(help=say("generate.help"))
def generate(
    run: RunArgument,
    count: Count = 16,
    condition: Condition = None,
    prompt: Prompt = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance: Guidance = None,
    truncation: Truncation = None,
    seed: SampleSeed = 0,
    out: SampleFolder = "generated",
    as_json: Json = False,
) -> None:
    from capas.cli.generation import generate_verb

    drawing = generate_verb.drawing(condition, prompt, seed, steps, sampler, guidance, truncation)
    generate_verb.generate(run, count, drawing, out, as_json)


@app.command(help=say("complete.help"))
def complete(
    run: RunArgument,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help=say("complete.image"), show_default=False)],
    mask: Annotated[str, typer.Option(metavar="FILE", help=say("complete.mask"))],
    count: Count = 4,
    condition: Condition = None,
    prompt: Prompt = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance: Guidance = None,
    seed: SampleSeed = 0,
    out: SampleFolder = "completed",
    as_json: Json = False,
) -> None:
    from capas.cli.generation import generate_verb, redraw_verbs

    drawing = generate_verb.drawing(condition, prompt, seed, steps, sampler, guidance)
    redraw_verbs.complete(run, image, mask, count, drawing, out, as_json)


@app.command(help=say("interpolate.help"))
def interpolate(
    run: RunArgument,
    first: Annotated[str, typer.Argument(metavar="A", help=say("interpolate.first"), show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help=say("interpolate.second"), show_default=False)],
    frames: Annotated[int | None, typer.Option(min=2, max=1_000, help=say("interpolate.frames"))] = None,
    mix: Annotated[bool, typer.Option("--mix", help=say("interpolate.mix"))] = False,
    condition: Condition = None,
    prompt: Prompt = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance: Guidance = None,
    truncation: Truncation = None,
    seed: SampleSeed = 0,
    out: SampleFolder = "interpolated",
    as_json: Json = False,
) -> None:
    from capas.cli.generation import generate_verb, redraw_verbs

    drawing = generate_verb.drawing(condition, prompt, seed, steps, sampler, guidance, truncation)
    if mix:
        redraw_verbs.mix(run, first, second, frames, drawing, out, as_json)
        return
    redraw_verbs.interpolate(run, first, second, frames or redraw_verbs.FRAMES, drawing, out, as_json)


@app.command(help=say("edit.help"))
def edit(
    run: RunArgument,
    image: Annotated[str | None, typer.Argument(metavar="IMAGE", help=say("edit.image"), show_default=False)] = None,
    class_name: Annotated[str | None, typer.Option("--class", metavar="CLASS", help=say("edit.class"))] = None,
    style_of: Annotated[str | None, typer.Option(metavar="IMAGE", help=say("edit.style_of"))] = None,
    traverse: Annotated[str | None, typer.Option(metavar="FACTOR", help=say("edit.traverse"))] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help=say("edit.save"))] = None,
    restore: Annotated[str | None, typer.Option("--from", metavar="FILE", help=say("edit.from"))] = None,
    inspect: Annotated[bool, typer.Option("--inspect", help=say("edit.inspect"))] = False,
    strength: Annotated[float | None, typer.Option(metavar="SHARE", help=say("edit.strength"))] = None,
    project: Annotated[bool, typer.Option("--project", help=say("edit.project"))] = False,
    prompt: Prompt = None,
    seed: SampleSeed = 0,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help=say("edit.out"))] = None,
    as_json: Json = False,
) -> None:
    if project:
        from capas.cli.generation import generate_verb, redraw_verbs

        others = {"--style-of": style_of, "--traverse": traverse, "--save": save, "--from": restore,
                  "--inspect": inspect or None, "--strength": strength, "--prompt": prompt or None}  # fmt: skip
        image = redraw_verbs.only_image(
            image, [name for name, value in others.items() if value is not None], error="project_alone"
        )
        drawing = generate_verb.drawing(None if class_name is None else [class_name], None, seed, None, None, None)
        redraw_verbs.project(run, image, drawing, out or redraw_verbs.PICTURE, as_json)
        return
    if strength is not None or prompt:
        from capas.cli.generation import generate_verb, redraw_verbs

        others = {"--style-of": style_of, "--traverse": traverse, "--save": save, "--from": restore,
                  "--inspect": inspect or None}  # fmt: skip
        image = redraw_verbs.only_image(image, [name for name, value in others.items() if value is not None])
        classes = None if class_name is None else [class_name]
        drawing = generate_verb.drawing(classes, prompt, seed, None, None, None)
        redraw_verbs.redraw(run, image, drawing, strength, out or redraw_verbs.PICTURE, as_json)
        return
    from capas.cli.representation import edit_verbs

    wanted = edit_verbs.Edit(class_name=class_name, style_of=style_of, traverse=traverse)
    edit_verbs.edit(run, image, wanted, save=save, restore=restore, inspect=inspect, out=out, as_json=as_json)


@app.command(help=say("cli.networks"))
def networks(as_json: Json = False) -> None:
    from capas.cli import about_verbs

    about_verbs.networks(as_json)


@app.command(help=say("cli.samples"))
def samples(
    name: Annotated[str | None, typer.Argument(help=say("cli.sample_name"), show_default=False)] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.sample_out"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import about_verbs

    about_verbs.samples(name, out, as_json)


@app.command(help=say("cli.check"))
def doctor(as_json: Json = False) -> None:
    from capas.cli import about_verbs

    about_verbs.doctor(as_json)


app.command("score", help=say("cli.score"))(score)
app.add_typer(archive, name="archive")
app.add_typer(board, name="board")
app.add_typer(challenge, name="challenge")
