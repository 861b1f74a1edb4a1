"""Evaluation of search: occurrences, average precision, term detection."""
