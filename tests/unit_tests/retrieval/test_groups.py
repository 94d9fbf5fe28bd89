"""A store opened for groups: nothing that it returns depends on documents that it hides."""

import json
import os
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from langchain_core.documents import Document

from langchain_swallow import HybridRetriever, SwallowFAISS, sync_folder
from langchain_swallow.errors import AccessError
from langchain_swallow.retrieval.index.segment import make_passages
from tests.support.embeddings import CharacterEmbeddings

WORDS = "給与 賞与 部長 会議 休暇 出張 日当 秘密 合併 社長 3階 ABC-100 の は を です 。".split()
GROUPS = ["人事", "役員", "営業", "*", "特別/秘"]
SECTION = "".join(WORDS)


def random_document(rng, number):
    """A document of random words, or a chunk of one section, with groups of any kind."""
    metadata = {"source": f"{rng.choice('甲乙丙')}{rng.randrange(4)}.md", "年": rng.randrange(3)}
    groups = rng.choice([None, [], "人事", 7, {"人事": 1}, *[rng.sample(GROUPS, 2)] * 5])
    for key in rng.choice([(), ("groups",), ("folder_groups",), ("groups", "folder_groups")]):
        metadata[key] = groups if rng.random() < 0.7 else rng.sample(GROUPS, 1)
    if rng.random() < 0.4:
        start = rng.randrange(len(SECTION) - 6)
        text = SECTION[start : start + 6]
        metadata |= {"source": "節.md", "headings": "章", "start_index": start}
        metadata["end_index"] = start + len(text)
    else:
        text = "".join(rng.choices(WORDS, k=rng.randrange(1, 12)))
    if rng.random() < 0.5:
        metadata["tag"] = rng.choice([["給与"], "給与", 3, {"a": 1}])
    return Document(id=f"d{number}", page_content=text, metadata=metadata)


def may_see(document, groups, default_groups):
    """What the documentation of `for_groups` says, in other words than the index does."""
    metadata = document.metadata
    own = metadata.get("folder_groups")
    own = metadata.get("groups") if own is None else own
    own = list(default_groups) if own is None else own
    own = [own] if isinstance(own, str) else own
    return isinstance(own, list) and ("*" in own or bool({*own} & {*groups}))


def stores(rng, path):
    """A store of random batches with changes, and one of the documents that groups may see."""
    metric = rng.choice(["cosine", "l2"])
    whole = SwallowFAISS(CharacterEmbeddings(), path=path, metric=metric)
    documents = {}
    for _ in range(rng.randrange(4)):
        batch = {d.id: d for d in (random_document(rng, rng.randrange(40)) for _ in range(10))}
        whole.add_documents(list(batch.values()))
        documents = {i: d for i, d in documents.items() if i not in batch} | batch
        gone = rng.sample(sorted(documents), 2)
        whole.delete(gone)
        documents = {i: d for i, d in documents.items() if i not in gone}
    groups, default = rng.sample(GROUPS[:3], rng.randrange(3)), rng.choice([["*"], ["営業"], []])
    alone = SwallowFAISS(CharacterEmbeddings(), metric=metric)
    alone.add_documents([d for d in documents.values() if may_see(d, groups, default)])
    return whole, whole.for_groups(groups, default_groups=default), alone, documents


def outcome(call):
    """The result as plain values, with rounded scores, or the error."""
    try:
        return json.dumps(plain(call()), ensure_ascii=False, sort_keys=True)
    except Exception as error:
        return repr(error)


def plain(value):
    if isinstance(value, Document):
        return [value.id, value.page_content, plain(value.metadata)]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, float):
        return round(value, 5)
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def questions(store, rng, documents):
    """Everything that a store and retrievers over it can be asked, with the same arguments."""
    text = "".join(rng.choices(WORDS, k=rng.randrange(1, 6)))
    vector = store.embeddings.embed_query(text)
    k, ids = rng.randrange(1, 12), sorted(documents)
    seen = []
    condition = rng.choice(
        [
            {"年": {"$gte": 1}},
            {"groups": {"$contains": "人事"}},
            {"tag": {"$contains": rng.choice([3, "給与", [1]])}},
            {"$not": {"source": "甲0.md"}},
            lambda d: seen.append(d.page_content) or d.metadata["年"] < 2,
            lambda d: 1 / (len(d.page_content) - 5) > 0,
        ]
    )
    options = {"store": store, "k": k, "lexical_weight": rng.choice([0.0, 0.68, 1.0])}
    options |= rng.choice(
        [
            {"neighbors": 2},
            {"filter": condition},
            {"diversity": 0.5, "one_per_document": True},
            {"min_lexical_score": 0.2, "min_dense_score": 0.6},
            {"score_threshold": 0.4},
        ]
    )
    retriever = HybridRetriever(**options)
    kwargs = {"k": k, "filter": condition}
    yield lambda: [len(store), store.documents, sorted(store.sources().items())]
    yield lambda: store.get_by_ids(ids)
    yield lambda: store.similarity_search_with_score(text, k)
    yield lambda: store.similarity_search_with_score(text, **kwargs)
    yield lambda: store.similarity_search_with_relevance_scores(text, k=k)
    yield lambda: store.similarity_search_by_vector(vector, k)
    yield lambda: store.max_marginal_relevance_search(text, k, fetch_k=2 * k, filter=condition)
    yield lambda: store.max_marginal_relevance_search_by_vector(vector, k, fetch_k=k + 1)
    yield lambda: store.as_retriever(search_type="mmr", search_kwargs=kwargs).invoke(text)
    yield lambda: retriever.invoke(text)
    yield lambda: sorted(map(list, store.snapshot().distinct("source", "headings")), key=str)
    yield lambda: store.snapshot().lexical_scores(text).tolist()
    yield lambda: store.snapshot().of_sources(["節.md", "甲0.md"])[0] == [] or len(store)
    yield lambda: seen


def check(seed, path):
    rng = random.Random(seed)
    # Most of the time would go into writing files.
    path = None if seed % 10 else path / str(seed)
    whole, visible, alone, documents = stores(rng, path)
    state = rng.getstate()
    asked = []
    for store in (visible, alone, visible.for_groups(GROUPS, default_groups=GROUPS)):
        rng.setstate(state)
        asked.append([outcome(call) for call in questions(store, rng, documents)])
    assert asked[0] == asked[1]
    # Of a part of the index, other groups open no more.
    assert asked[2] == asked[1]
    return len(whole) - len(visible)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 50, 10))
def test_nothing_depends_on_hidden_documents(first, tmp_path):
    hidden = [check(seed, tmp_path) for seed in range(first, first + 10)]
    assert sum(hidden) > 20


@pytest.mark.slow
def test_nothing_depends_on_hidden_documents_in_a_thousand_stores(tmp_path):
    assert sum(check(seed, tmp_path) for seed in range(1000, 2000)) > 5000


def test_it_follows_the_store_and_cannot_change_it():
    store = SwallowFAISS.from_texts(
        ["給与表。", "社内報。"], CharacterEmbeddings(), [{"groups": ["人事"]}, {}], ids=["a", "b"]
    )
    everyone, staff = store.for_groups([]), store.for_groups({"人事"})
    assert (len(everyone), len(staff), everyone.get_by_ids(["a"])) == (1, 2, [])
    changes = [
        lambda: everyone.add_texts(["新しい。"]),
        lambda: everyone.add_passages(make_passages(["新しい。"], None, ["a"]), [[1.0] * 256]),
        lambda: everyone.delete(["b"]),
        lambda: everyone.delete(["a"]),
        lambda: everyone.delete(),
        lambda: everyone.delete(filter={}),
        lambda: everyone.move_source("a", "b"),
        lambda: everyone.optimize(),
        lambda: everyone.transaction().__enter__(),
        lambda: everyone.change(lambda before: before),
    ]
    for change in changes:
        with pytest.raises(AccessError, match="cannot be changed"):
            change()
    assert len(store) == 2
    store.add_texts(["賞与表。"], [{"groups": "人事"}])
    store.delete(["b"])
    assert (len(everyone), len(staff)) == (0, 2)
    assert everyone.similarity_search("給与") == []
    with pytest.raises(ValueError, match=r"Pass \['人事'\]"):
        store.for_groups("人事")


def test_a_copy_of_it_has_only_what_it_shows(tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    store.add_texts(["給与表は秘密。", "社内報。"], [{"groups": ["人事"]}, {}])
    with pytest.raises(AccessError, match="cannot be changed"):
        store.for_groups([]).for_groups([]).save_local(tmp_path / "別" / ".." / "索引")
    assert len(store) == 2
    store.for_groups([]).save_local(tmp_path / "写し")
    copied = SwallowFAISS.load_local(tmp_path / "写し", CharacterEmbeddings())
    assert [d.page_content for d in copied.documents] == ["社内報。"]
    written = b"".join(path.read_bytes() for path in (tmp_path / "写し").iterdir())
    assert "給与".encode() not in written


@pytest.mark.slow
def test_with_hnsw_it_finds_what_a_flat_index_of_the_visible_finds(tmp_path):
    rng = random.Random(1)
    texts = ["".join(rng.choices(WORDS, k=8)) for _ in range(10_100)]
    metadatas = [{} if i % 2 else {"groups": ["人事"]} for i in range(len(texts))]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), metadatas, index="hnsw")
    alone = SwallowFAISS.from_texts(texts[1::2], CharacterEmbeddings(), index="flat")
    for question in ("給与と賞与", "社長の出張", "会議は3階"):
        scores = [
            [round(s, 5) for _, s in one.similarity_search_with_score(question, 20)]
            for one in (store.for_groups([]), alone)
        ]
        assert scores[0] == scores[1]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "社内文書"
    (root / "人事").mkdir(parents=True)
    for name in ("社内報.md", "人事/給与表.md", "人事/募集.md"):
        (root / name).write_text(f"# {name[:-3]}\n\n本文は{name}です。", encoding="utf-8")
    records = [
        {"text": "面談の記録。", "groups": ["面談"], "folder_groups": ["*"]},
        {"氏名": "佐藤", "groups": ["面談"]},
        {"text": "誰にも見せない。", "groups": []},
    ]
    (root / "人事" / "記録.jsonl").write_text(json.dumps(records), encoding="utf-8")
    return root


def rules(folder, text):
    (folder / ".access.toml").write_text(text, encoding="utf-8")


def titles(store, *groups):
    return sorted({d.metadata["title"] for d in store.for_groups(groups).documents})


def test_rules_of_folders_decide_and_changed_rules_need_no_embedding(folder, tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    rules(folder, '"人事/*" = ["人事"]')
    sync_folder(store, folder)
    assert titles(store) == ["社内報"]
    assert titles(store, "人事") == ["募集", "社内報", "給与表", "記録"]
    count = len(store.embeddings.embedded)

    # The nearest rules decide, and those above decide on what they do not name.
    rules(folder / "人事", '"募集*" = ["*"]\n"給与*" = []')
    summary = sync_folder(store, folder)
    assert sorted(map(str, summary.regrouped)) == [
        str(folder / "人事" / name) for name in ("募集.md", "給与表.md")
    ]
    assert str(summary) == "4 unchanged, 2 regrouped"
    assert titles(store) == ["募集", "社内報"]
    assert titles(store, "人事") == ["募集", "社内報", "記録"]
    assert str(sync_folder(store, folder)) == "4 unchanged"

    # Without rules, what a record says of itself is valid again.
    (folder / ".access.toml").unlink()
    (folder / "人事" / ".access.toml").unlink()
    sync_folder(store, folder)
    assert titles(store) == ["募集", "社内報", "給与表"]
    [one, other] = [d for d in store.for_groups({"面談"}).documents if "groups" in d.metadata]
    assert (one.page_content, other.page_content) == ("面談の記録。", "氏名: 佐藤")
    assert len(store.embeddings.embedded) == count


def test_rules_above_the_folder_hold_for_what_is_in_it(folder, tmp_path):
    rules(folder, '"人事/*" = "人事"')
    store = SwallowFAISS(CharacterEmbeddings())
    sync_folder(store, folder / "人事")
    assert titles(store) == []
    assert len(titles(store, "人事")) == 3


def test_a_moved_file_gets_the_groups_of_its_new_folder(folder):
    rules(folder, '"人事/*" = ["人事"]')
    store = SwallowFAISS(CharacterEmbeddings())
    sync_folder(store, folder)
    (folder / "人事" / "給与表.md").rename(folder / "給与表.md")
    (folder / "社内報.md").rename(folder / "人事" / "社内報.md")
    assert len(sync_folder(store, folder).moved) == 2
    assert titles(store) == ["給与表"]


def test_stricter_rules_hold_at_once_for_files_that_cannot_be_read(folder):
    store = SwallowFAISS(CharacterEmbeddings())
    sync_folder(store, folder)
    (folder / "人事" / "募集.md").write_bytes(b"\xff\x00\xfe\x81" * 100)
    rules(folder, '"*" = ["人事"]')
    assert list(sync_folder(store, folder).failed) == [str(folder / "人事" / "募集.md")]
    assert titles(store) == []
    assert "募集" in titles(store, "人事")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("給与 = 1", "is not valid"),
        ('"給与" = 1', "must be a list of names, not 1"),
        ('"給与" = [""]', "must be a list"),
        ('a.md = ["人事"]', "needs its quotation marks"),
        ('"*" = ["人事"', "is not valid"),
    ],
)
def test_rules_that_cannot_be_read_change_nothing(folder, text, reason):
    rules(folder, '"*" = ["人事"]')
    store = SwallowFAISS(CharacterEmbeddings())
    sync_folder(store, folder)
    rules(folder, text)
    (folder / "新しい.md").write_text("新しい。", encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        sync_folder(store, folder)
    assert titles(store) == []


def test_a_pattern_matches_names_that_macos_has_decomposed(folder):
    decomposed = unicodedata.normalize("NFD", "ガイド.md")
    (folder / decomposed).write_text("秘密。", encoding="utf-8")
    rules(folder, f'"{unicodedata.normalize("NFC", "ガイド")}*" = ["人事"]')
    store = SwallowFAISS(CharacterEmbeddings())
    sync_folder(store, folder)
    assert decomposed[:-3] not in titles(store)
    assert decomposed[:-3] in titles(store, "人事")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these permissions")
def test_permissions_of_files_decide_where_rules_do_not():
    import grp

    group = grp.getgrgid(os.getgid()).gr_name
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        modes = {"all": 0o644, "team": 0o640, "own": 0o600, "odd": 0o604, "rule": 0o600}
        for name, mode in modes.items():
            (root / f"{name}.md").write_text(f"{name}の本文。", encoding="utf-8")
            (root / f"{name}.md").chmod(mode)
        (root / ".access.toml").write_text('"rule*" = ["*"]', encoding="utf-8")
        store = SwallowFAISS(CharacterEmbeddings())
        sync_folder(store, root, posix_groups=True)
        assert titles(store) == ["all", "rule"]
        assert titles(store, group) == ["all", "rule", "team"]
        count = len(store.embeddings.embedded)
        # A folder above closes what is in it, and a changed mode is enough for a sync.
        (root / "all.md").chmod(0o600)
        assert sync_folder(store, root, posix_groups=True).regrouped == (str(root / "all.md"),)
        assert titles(store) == ["rule"]
        root.chmod(0o750)
        (root / "all.md").chmod(0o644)
        sync_folder(store, root, posix_groups=True)
        assert titles(store) == ["rule"]
        assert titles(store, group) == ["all", "rule", "team"]
        assert len(store.embeddings.embedded) == count
