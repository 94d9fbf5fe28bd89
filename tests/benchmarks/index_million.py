"""A million vectors of 384 dimensions: build, save, load, search, filters, memory.

    python tests/benchmarks/index_million.py flat --output docs/runs/index-flat.json

For each kind of index: this package's store, built and saved in one process and loaded in another,
with bare FAISS of the same type beside it there, trained and filled by itself. "community" is
LangChain's own FAISS store (langchain-community 0.4.2), flat. Vectors lie in clusters, as those of
texts do, only closer; queries are near them.
"""

import argparse
import gc
import json
import multiprocessing
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import psutil
from langchain_core.embeddings import Embeddings

from langchain_swallow import SwallowFAISS
from langchain_swallow.evaluation.tables import Table, write_figures

K, QUERIES, ROUNDS = 10, 100, 5


class Drawn(Embeddings):
    """Vectors by number; queries by number."""

    def __init__(self, count: int, dimension: int = 384) -> None:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(2000, dimension)).astype(np.float32)
        self.rows = np.empty((count, dimension), dtype=np.float32)
        for start in range(0, count, 50_000):
            stop = min(count, start + 50_000)
            near = centres[rng.integers(2000, size=stop - start)]
            noise = rng.normal(size=(stop - start, dimension)).astype(np.float32)
            self.rows[start:stop] = near + 0.8 * noise
        self.rows /= np.linalg.norm(self.rows, axis=1, keepdims=True)
        near = centres[rng.integers(2000, size=QUERIES)]
        self.queries = near + 0.8 * rng.normal(size=near.shape).astype(np.float32)
        self.queries /= np.linalg.norm(self.queries, axis=1, keepdims=True)

    def embed_documents(self, texts: list[str]) -> Any:
        return self.rows[[int(text) for text in texts]]

    def embed_query(self, text: str) -> Any:
        return self.queries[int(text)]


def medians_ms(searches: dict[str, Any]) -> dict[str, float]:
    """Medians over all queries of searches by a query's number, asked in turn.

    The first round is not counted: whoever comes first waits for the mapped vectors.
    """
    times = {name: np.zeros((1 + ROUNDS, QUERIES)) for name in searches}
    for round_ in range(1 + ROUNDS):
        for name, search in searches.items():
            for number in range(QUERIES):
                began = time.perf_counter()
                search(number)
                times[name][round_, number] = time.perf_counter() - began
    return {name: 1000 * float(np.median(taken[1:])) for name, taken in times.items()}


def resident_gib() -> float:
    """Memory of this process that is not a mapped file's."""
    info = psutil.Process().memory_info()
    return (info.rss - info.shared) / 2**30


class Bare:
    """FAISS alone, as its documentation uses it, with the store's parameters."""

    def __init__(self, kind: str, rows: np.ndarray) -> None:
        self.index = faiss.IndexFlatIP(rows.shape[1])
        self.parameters = faiss.SearchParameters
        if kind == "hnsw":
            self.index = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efConstruction = 100
            self.parameters = partial(faiss.SearchParametersHNSW, efSearch=128)
        self.index.add(rows)

    def search(self, selected: Any = None) -> Any:
        """A search of vectors of shape (1, dim), among the rows of a selector."""
        parameters = self.parameters(sel=selected)
        return lambda query: self.index.search(query, K, params=parameters)


def build(kind: str, count: int, folder: Path) -> dict[str, float]:
    drawn, figures = Drawn(count), {}
    texts = [str(i) for i in range(count)]
    metadatas = [{"source": f"{i % 1000}.txt", "ten": i % 10} for i in range(count)]
    began = time.perf_counter()
    store = SwallowFAISS.from_texts(texts, drawn, metadatas, ids=texts, index=kind)
    figures["build_s"] = time.perf_counter() - began
    figures["save_s"] = timed(lambda: store.save_local(folder))
    return figures


def measure(kind: str, count: int, folder: Path) -> dict[str, float]:
    drawn, figures = Drawn(count), {}
    vectors_gib = drawn.rows.nbytes / 2**30
    before = resident_gib()
    began = time.perf_counter()
    store = SwallowFAISS.load_local(folder, drawn)
    figures["load_s"] = time.perf_counter() - began
    figures["first_search_ms"] = 1000 * timed(lambda: store.similarity_search("0", k=K))
    figures["first_filter_s"] = timed(lambda: store.similarity_search("0", k=K, filter={"ten": 3}))

    def found(number: int, **options: Any) -> list[str]:
        return [d.id for d in store.similarity_search(str(number), k=K, **options)]

    ours = [found(n) for n in range(QUERIES)]
    ours_filtered = [found(n, filter={"ten": 3}) for n in range(QUERIES)]
    figures["memory_times_vectors"] = (resident_gib() - before + mapped(folder)) / vectors_gib

    began = time.perf_counter()
    bare = Bare(kind, drawn.rows)
    figures["bare_build_s"] = time.perf_counter() - began
    flat = bare if kind == "flat" else Bare("flat", drawn.rows)
    selector = faiss.IDSelectorBitmap(np.packbits(np.arange(count) % 10 == 3, bitorder="little"))
    peers = {
        "bare_ms": bare.search(),
        "bare_filtered_ms": bare.search(selector),
    }
    searches = {
        "search_ms": found,
        "search_vectors_only_ms": lambda n: store.snapshot().search(drawn.queries[n], K),
        "filtered_ms": lambda n: found(n, filter={"ten": 3}),
        **{name: of_number(search, drawn.queries) for name, search in peers.items()},
    }
    figures |= medians_ms(searches)
    # Not in turn with the others: what comes right after so much memory was read is slower.
    flat_search = of_number(flat.search(selector), drawn.queries)
    figures |= medians_ms({"bare_filtered_flat_ms": flat_search})
    exact = flat.search()(drawn.queries)[1]
    exact_filtered = flat.search(selector)(drawn.queries)[1]
    figures["recall_at_10"] = overlap(ours, exact)
    figures["recall_at_10_filtered"] = overlap(ours_filtered, exact_filtered)
    for name, selected, wanted in (("", None, exact), ("_filtered", selector, exact_filtered)):
        figures[f"bare_recall{name}"] = overlap(bare.search(selected)(drawn.queries)[1], wanted)
    return figures


def apart(call: Any, *arguments: Any) -> dict[str, float]:
    """In a process of its own: a million objects that were freed slow what comes next."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def of_number(search: Any, queries: np.ndarray) -> Any:
    return lambda number: search(queries[number : number + 1])


def timed(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def mapped(folder: Path) -> float:
    """GiB of the files that are mapped, which counts as memory."""
    files = (path for path in folder.iterdir() if path.suffix in (".vectors", ".sqlite"))
    return sum(path.stat().st_size for path in files) / 2**30


def overlap(found: Any, exact: np.ndarray) -> float:
    pairs = zip(found, exact.tolist(), strict=True)
    return float(np.mean([len({int(i) for i in a} & set(b)) / K for a, b in pairs]))


def community(count: int, folder: Path) -> dict[str, float]:
    """LangChain's store on the same data."""
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    drawn, figures = Drawn(count), {}
    texts = [str(i) for i in range(count)]
    metadatas = [{"source": f"{i % 1000}.txt", "ten": i % 10} for i in range(count)]
    began = time.perf_counter()
    index = faiss.IndexFlatIP(384)
    store = FAISS(drawn, index, InMemoryDocstore(), {}, distance_strategy="MAX_INNER_PRODUCT")
    # In parts: it makes Python lists of the vectors it is given.
    for start in range(0, count, 20_000):
        part = slice(start, start + 20_000)
        pairs = zip(texts[part], drawn.rows[part], strict=True)
        store.add_embeddings(pairs, metadatas[part], ids=texts[part])
    figures["build_s"] = time.perf_counter() - began
    figures["save_s"] = timed(lambda: store.save_local(str(folder)))
    store = index = None
    gc.collect()
    began = time.perf_counter()
    store = FAISS.load_local(str(folder), drawn, allow_dangerous_deserialization=True)
    figures["load_s"] = time.perf_counter() - began
    searches = {
        "search_ms": lambda n: store.similarity_search(str(n), k=K),
        "filtered_ms": lambda n: store.similarity_search(str(n), k=K, filter={"ten": 3}),
    }
    figures |= medians_ms(searches)
    found = [len(store.similarity_search(str(n), k=K, filter={"ten": 3})) for n in range(QUERIES)]
    figures["filtered_found_of_10"] = float(np.mean(found))
    return figures


ROWS = {
    "build_s": "build, s",
    "bare_build_s": "bare FAISS of the type, without texts, s",
    "save_s": "save, s",
    "load_s": "load, every hash checked, s",
    "search_ms": "search, median, ms",
    "search_vectors_only_ms": "the same without reading passages, ms",
    "bare_ms": "bare FAISS of the type, ms",
    "times_bare": "search / bare FAISS",
    "vectors_times_bare": "the same without reading passages",
    "filtered_ms": "search with a filter of 10 %, ms",
    "bare_filtered_ms": "bare FAISS of the type with that filter, ms",
    "filtered_times_bare": "search with the filter / bare FAISS with it",
    "filtered_times_bare_unfiltered": "the same / bare FAISS without it",
    "bare_filtered_flat_ms": "bare flat FAISS with that filter, ms",
    "first_filter_s": "first filter by a key, s",
    "recall_at_10": "recall@10 against flat",
    "recall_at_10_filtered": "recall@10 with the filter",
    "bare_recall": "recall@10 of bare FAISS",
    "bare_recall_filtered": "the same with the filter",
    "filtered_found_of_10": "found with the filter, of 10",
    "memory_times_vectors": "memory / vectors",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="+", choices=("flat", "hnsw", "community"))
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for kind in arguments.kinds:
        folder = Path(tempfile.mkdtemp())
        try:
            if kind == "community":
                figures = apart(community, arguments.count, folder)
            else:
                figures = apart(build, kind, arguments.count, folder / "index")
                figures |= apart(measure, kind, arguments.count, folder / "index")
                figures["times_bare"] = figures["search_ms"] / figures["bare_ms"]
                figures["vectors_times_bare"] = (
                    figures["search_vectors_only_ms"] / figures["bare_ms"]
                )
                figures["filtered_times_bare"] = (
                    figures["filtered_ms"] / figures["bare_filtered_ms"]
                )
                figures["filtered_times_bare_unfiltered"] = (
                    figures["filtered_ms"] / figures["bare_ms"]
                )
        finally:
            shutil.rmtree(folder)
        found[kind] = figures
        print(json.dumps({kind: figures}), flush=True)
    rows = [
        [name, *(f"{f[key]:.3g}" if key in f else "–" for f in found.values())]
        for key, name in ROWS.items()
        if any(key in f for f in found.values())
    ]
    table = Table(f"{arguments.count:,} vectors of 384", ["", *found], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": found})


if __name__ == "__main__":
    main()
