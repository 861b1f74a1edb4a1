"""The verbs of vectors and pictures: embed, map, index, similar, same, edit."""
