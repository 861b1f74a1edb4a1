"""Baselines that a network must beat: constant predictions, linear models, gradient boosting."""
