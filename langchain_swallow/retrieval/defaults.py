"""What a search does if nothing else is said; imports nothing, for the commands' help."""

# Of BM25 and proximity, in [0, 1]; the vectors have the rest. In the middle of a plateau:
# docs/benchmarks.md, Retrieval.
LEXICAL_WEIGHT = 0.68
