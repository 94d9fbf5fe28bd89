"""Pure functions on Japanese text: sentences, chunks, search keys, terms and quantities."""
