"""Opens a finished run for the trust report."""

from capas.data.inspect.read_dataset import input_collection
from capas.engine.config import read_config
from capas.engine.dataset_record import find_examples, read_dataset_record
from capas.engine.predict import Model, load_model
from capas.engine.run import find_run, read_metrics
from capas.trust.subjects.factory import structured_model_under_test
from capas.trust.subjects.run_context import RunContext


def open_run(where: str) -> tuple[RunContext, Model]:
    """Return the run at ``where`` and its model.

    Raises:
        CapasError: The run is unfinished, damaged or altered, or its data are gone or have changed.
    """
    run = find_run(where)
    metrics = read_metrics(run)
    model = load_model(run.folder)
    config, record = read_config(run.config), read_dataset_record(run)
    source, indices = find_examples(record, config.data)
    inputs = input_collection(source, record.spec)
    run_context = RunContext(
        run=run, card=model.card, record=record, config=config, source=source, indices=indices,
        inputs=inputs, metrics=metrics,
        structured=structured_model_under_test(model, record, inputs, source.targets, indices, config.train.seed),
    )  # fmt: skip
    return run_context, model
