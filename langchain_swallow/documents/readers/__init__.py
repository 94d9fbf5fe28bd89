"""File formats: bytes of one file → `Section`s of text."""
