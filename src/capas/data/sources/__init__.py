"""Data sources: folders, tables and samples as collections of examples with their targets."""
