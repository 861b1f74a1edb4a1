"""Leakage between training and test examples: exact duplicates, near duplicates and shared targets."""
