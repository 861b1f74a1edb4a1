"""Verbs of networks that make data."""
