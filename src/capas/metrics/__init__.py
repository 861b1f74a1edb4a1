"""Metrics of every task, each with its count and a 95 % interval."""
