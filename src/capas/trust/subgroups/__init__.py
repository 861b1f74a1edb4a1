"""Subgroup performance: accuracy and metrics by group, class imbalance, and significance tests."""
