"""The library: pages, lines and corrections in one SQLite file, and the page images where they lie."""
