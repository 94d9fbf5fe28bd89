"""An index of passages: immutable segments, and a manifest that says which of them count.

folder.py     the folder on disk: one writer at a time, any number of readers
manifest.py   what the folder holds, with a hash of every file
segment.py    passages and metadata in SQLite, vectors in FAISS; written once, never changed
vectors.py    exact search, and HNSW
earlier.py    vectors as versions before 0.2.0 laid them out
current.py    the snapshot that is searched now, in memory or in a folder; transactions
filters.py    which passages of a segment a metadata filter admits
snapshot.py   several segments as one: search, change, merge
"""
