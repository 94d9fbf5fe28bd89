"""Default values of a search. The module imports nothing, so that `--help` of a command is fast."""

# Weight of BM25 and proximity, in [0, 1]; the dense similarity has the rest. The value is in the
# middle of a plateau: docs/benchmarks.md, Retrieval.
LEXICAL_WEIGHT = 0.68
