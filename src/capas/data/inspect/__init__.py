"""Inspection of a dataset before training: task detection, statistics, and problems."""
