"""Answers of any system against a reference: figures with intervals, differences, blind tests."""
