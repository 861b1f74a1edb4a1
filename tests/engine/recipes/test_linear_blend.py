"""The answer for a table is shared between the network and a ridge regression as the validation rows say."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.baselines.ridge import fit_ridge
from capas.data.tabular.columns import column_from_cells
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing, one_hot_columns
from capas.engine.predict import load_model
from capas.engine.recipes.single_output.tabular.linear_blend import best_blend_weight, fit_linear_part
from capas.engine.recipes.single_output.tabular.network import new_tabular_network, tabular_network
from tests.harness import FIXED, train_here


def test_the_share_leaves_the_least_squared_error() -> None:
    chance = torch.Generator().manual_seed(0)
    network, linear, targets = (torch.randn(50, 3, generator=chance) for _ in range(3))
    targets = 0.7 * network + 0.3 * linear + 0.1 * targets
    targets[:, 1] = 2 * network[:, 1] - linear[:, 1]  # beyond the network: all of it
    targets[:, 2] = linear[:, 2] - network[:, 2]
    found = best_blend_weight(network, linear, targets)
    tried = torch.linspace(0, 1, 1001)[:, None, None]
    errors = (tried * network + (1 - tried) * linear - targets).square().sum(1)
    torch.testing.assert_close(found, errors.argmin(0) / 1000, atol=1e-3, rtol=0)


def test_the_linear_part_answers_as_the_ridge_regression_it_was_fitted_to() -> None:
    chance = np.random.default_rng(0)
    cells = {"a": list(chance.normal(5, 2, 40)), "b": [str(c) for c in chance.choice(["x", "y", "z"], 40)]}
    columns = {name: column_from_cells(held) for name, held in cells.items()}
    preparation = TabularPreprocessing.fit(columns)
    encoded = preparation.encode_columns(columns, 40)
    features, targets = one_hot_columns(encoded, preparation), torch.randn(40, 2)
    network = new_tabular_network(preparation, 2, 8, blended=True).eval()
    fit_linear_part(network, features, targets)
    tabular_network(network).get_buffer("share").zero_()
    wanted = torch.stack([fit_ridge(features, column).predict(features) for column in targets.T], 1).float()
    found = network(EncodedRows(numbers=encoded.numbers, categories=encoded.categories))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("target", "linear"), [("line", True), ("kind", False)])
def test_a_line_is_left_to_the_linear_part_and_classes_have_none(target: str, linear: bool, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "b", "line", "kind"])
        for a, b in chance.normal(0, 1, (160, 2)):
            writer.writerow(
                [f"{a:.4f}", f"{b:.4f}", f"{30 * a - 20 * b + chance.normal():.3f}", "up" if a > b else "down"]
            )
    run = train_here(tmp_path / "rows.csv", tmp_path / "run", {**FIXED, "train.epochs": 2, "data.target": target})
    model = load_model(run)
    assert model.card.network.settings["blended"] is linear
    if linear:
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["metrics"]["mae"]["value"] < 2 * metrics["baseline"]["ridge"]["mae"]["value"]
        assert float(tabular_network(model.predictor.network).get_buffer("share")) < 0.2
