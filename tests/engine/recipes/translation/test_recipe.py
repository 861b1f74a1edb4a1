"""The recipe of translation: a trial batch of middling length, and bundles that open again."""

import pytest
import torch

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.recipes.translation.recipe import recipe
from tests.engine.recipes.made_work import bundle_of, network_card, report_of, spec_of, texts_of
from tests.engine.recipes.translation.test_learn import SETTINGS, job
from tests.harness import step_context

SPEC = spec_of("translate", "text", target="text")


def test_a_trial_batch_is_of_middling_length() -> None:
    # Characters that are seen once are spelt by their bytes: as many pieces as letters.
    sources = ["a" * n for n in (1, 9, 2, 8, 3, 7, 4)]
    inputs, targets = texts_of(sources), texts_of(["b"] * 7)
    report = report_of(inputs, SPEC, [*["train"] * 6, "test"], targets=targets)
    settings = {**SETTINGS, "train.batch_size": 2, "text.max_words": 5}
    trial = recipe.trial(Config().merged(settings), report)
    assert trial.examples == 2 and len(trial.batch.source) == 2
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()
    assert int(trial.batch.source_lengths.max()) <= 6


def test_a_small_set_is_a_batch() -> None:
    report = report_of(texts_of(["a", "b"]), SPEC, ["train", "train"], targets=texts_of(["c", "d"]))
    assert recipe.trial(Config().merged({**SETTINGS, "train.batch_size": 50}), report).examples == 2


def test_a_job_s_bundle_answers_as_the_job() -> None:
    held = job()
    network = held.objective.network.eval()
    opened = recipe.reopen(bundle_of(SPEC, held.network_card(), held.bundle_files(), network.state_dict()))
    assert (opened.max_pieces, opened.beam, opened.alpha) == (6, 4, 0.6)
    given = (torch.tensor([[70, 2]]), torch.tensor([2]), torch.tensor([[1, 70]]))
    assert torch.equal(opened.network(*given), network(*given)) and not opened.network.training


@pytest.mark.parametrize("missing", ["beam", "alpha", "longest"])
def test_a_bundle_that_lacks_a_value_is_named(missing: str) -> None:
    held = job()
    answers = held.bundle_files()["answers.json"]
    assert isinstance(answers, dict)
    files = {**held.bundle_files(), "answers.json": {k: v for k, v in answers.items() if k != missing}}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, held.network_card(), files))
    assert error.value.key == "bundle_incomplete" and missing in error.value.received


@pytest.mark.parametrize(
    ("name", "value"),
    [("beam", 10**9), ("beam", 0), ("beam", "4"), ("longest", 10**6), ("alpha", float("inf")), ("alpha", -1.0)],
)
def test_a_search_that_would_not_end_is_refused(name: str, value: object) -> None:
    held = job()
    answers = held.bundle_files()["answers.json"]
    assert isinstance(answers, dict)
    files = {**held.bundle_files(), "answers.json": {**answers, name: value}}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, held.network_card(), files))
    assert error.value.key == "bundle_incomplete" and name in error.value.received


def test_a_card_without_a_width_is_refused() -> None:
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, network_card("transformer"), job().bundle_files()))
    assert error.value.key == "bundle_incomplete"
