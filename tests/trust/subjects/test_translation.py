"""Translations are not asked again: no example is evaluated, no input compared."""

import pytest
import torch

from capas.trust.subjects.structured import LabelIssue, StructuredAdapter
from capas.trust.subjects.translation import TranslationAdapter


def test_a_translation_states_nothing_and_is_not_asked_again() -> None:
    adapter = TranslationAdapter()
    assert isinstance(adapter, StructuredAdapter) and adapter.kind == "translations"
    assert adapter.feature_extractor is None
    assert adapter.evaluate_example(0, 0, torch.Generator()) is None
    issue = LabelIssue(position=0, location="", given_label="", predicted_label="", given_label_probability=0.0)
    assert adapter.label_issue_heatmap(0, issue) is None
    with pytest.raises(ValueError, match="not asked again"):
        adapter.prepared(0)
