"""A similarity index in a folder: vectors and their items, by cosine similarity, exact or within the nearest cells."""
