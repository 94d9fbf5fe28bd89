"""Reads the bytes of one file, by its format, as `Section`s of text."""
