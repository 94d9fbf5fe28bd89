"""An index of chunks: immutable segments, and a manifest that lists the current ones.

folder.py      the folder on disk: one writer at a time, any number of readers
manifest.py    the list of segments and files, with a checksum of every file
segment.py     chunks and metadata in SQLite, with their vectors and terms; immutable
vectors.py     vectors of a segment in FAISS: exact search, and HNSW
bm25.py        terms of a segment, and BM25 over several segments
proximity.py   how close together the terms of a query are in a text
earlier.py     vectors in the layout of versions before 0.2.0
current.py     the current snapshot, in memory or in a folder; transactions
filters.py     evaluates metadata filters on a segment
snapshot.py    several segments as one index: search, change, merge
neighbors.py   joins chunks to their neighbors in the section
origins.py     locations of the files that chunks are from
metric.py      prepares vectors for a metric, and converts distances to scores
files.py       writes files; errors of a full disk, file permissions
"""
