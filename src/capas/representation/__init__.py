"""Representations: vectors of a network for whole datasets, maps of them, search for what is alike, same or not."""
