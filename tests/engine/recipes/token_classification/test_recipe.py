"""The recipe of token classification: a trial batch of middling length, and bundles that open again."""

import pytest
import torch

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.recipes.token_classification.recipe import recipe
from tests.engine.recipes.made_work import bundle_of, network_card, report_of, sentences_named
from tests.engine.recipes.token_classification.test_learn import SETTINGS, SPEC, job
from tests.harness import step_context


def test_a_trial_batch_is_of_middling_length_and_cut() -> None:
    lengths = (1, 9, 4, 8, 5, 2, 7)
    inputs = sentences_named([["w"] * n for n in lengths])
    targets = sentences_named([["O"] * n for n in lengths])
    report = report_of(inputs, SPEC, [*["train"] * 6, "test"], targets=targets)

    def sizes(longest: int) -> list[int]:
        settings = {**SETTINGS, "train.batch_size": 2, "text.max_words": longest}
        trial = recipe.trial(Config().merged(settings), report)
        (phase,) = trial.objective.phases
        assert trial.examples == 2
        assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()
        return sorted(trial.batch.inputs.lengths.tolist())

    assert sizes(50) == [4, 5] and sizes(3) == [3, 3]


def test_a_job_s_bundle_answers_as_the_job() -> None:
    held = job()
    network = held.objective.network.eval()
    opened = recipe.reopen(bundle_of(SPEC, held.network_card(), held.bundle_files(), network.state_dict()))
    assert opened.labels.labels == held.labels.labels and opened.longest == 50
    inputs = held.code.encode([["Ana", "so"]])
    given = (inputs.words, inputs.characters, inputs.lengths, inputs.features)
    with torch.no_grad():
        assert torch.equal(opened.network(*given), network(*given))


@pytest.mark.parametrize(
    ("answers", "settings"),
    [({"labels": [], "max_words": 50}, {"width": 4}), ({"labels": ["a"], "max_words": "many"}, {"width": 4}),
     ({"labels": ["a"], "max_words": 50}, {}), ({"labels": ["a"], "max_words": 0}, {"width": 4}),
     ({"labels": ["O", ""], "max_words": 50}, {"width": 4})],
)  # fmt: skip
def test_a_broken_bundle_is_refused(answers: dict[str, object], settings: dict[str, object]) -> None:
    files = {**job().bundle_files(), "answers.json": answers}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, network_card("bilstm-crf", **settings), files))
    assert (error.value.key, error.value.where) == ("bundle_incomplete", "bundle/answers.json")
