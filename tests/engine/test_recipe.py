"""Better than the baselines: by paired differences where they are known."""

from capas.engine import recipe


def result_with(gains: dict[str, dict[str, object]]) -> recipe.TestResult:
    accuracy = {"value": 0.80, "n": 100, "interval": [0.71, 0.87]}
    baseline = {"linear": {"accuracy": {"value": 0.75, "n": 100, "interval": [0.66, 0.82]}}}
    return recipe.TestResult(n=100, metrics={"accuracy": accuracy}, baseline=baseline, rows=(), gains=gains)


def test_a_small_gain_on_the_same_examples_is_shown_though_the_intervals_overlap() -> None:
    assert not result_with({}).beats_baselines()
    assert result_with({"linear": {"value": 0.05, "n": 100, "interval": [0.01, 0.09]}}).beats_baselines()
    assert not result_with({"linear": {"value": 0.05, "n": 100, "interval": [0.0, 0.10]}}).beats_baselines()
    assert not result_with({"linear": {"value": 0.05, "n": 4}}).beats_baselines()


def test_without_an_interval_nothing_is_shown() -> None:
    alone = recipe.TestResult(
        n=3, metrics={"mae": {"value": 1.0, "n": 3}}, baseline={"median": {"mae": {"value": 2.0}}}, rows=()
    )
    assert not alone.beats_baselines()
