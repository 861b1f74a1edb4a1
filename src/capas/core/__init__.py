"""Foundations of every other package; imports nothing else of Capas."""
