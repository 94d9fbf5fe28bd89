"""Plain text → ids: SentencePiece's own, whichever files and library a tokenizer comes from."""

import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer

from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import tokenizer_from_files
from langchain_swallow.errors import ModelUnavailableError
from langchain_swallow.prompts import drops_first_space, encode, encode_text
from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from tests.support.tokenizers import LLAMA2, byte_level_tokenizer, mistral_folder

CODE = "def f():\n    return 1\n\n- 項目\n  - 子項目"
TEXTS = st.lists(
    st.one_of(
        st.integers(1, 40).map(lambda n: " " * n),
        st.sampled_from(
            ["\t", "\n", "\u3000", "▁", "東京", "薔", "return", "- ", "}", "x", "[INST]"]
        ),
    ),
    max_size=12,
).map("".join)
FILES = ["tokenizer.model", "tokenizer.json", "both", "saved by transformers"]


def _source(name):
    return LLAMA2 if name == "llama2" else mistral_folder()


@functools.cache
def pieces_of(name):
    return SentencePieceProcessor(model_file=str(_source(name) / "tokenizer.model"))


def write_tokenizer_json(name, folder):
    """As transformers 4 converted tokenizer.model: merges by score, `▁` before every text."""
    pieces = pieces_of(name)
    vocab = {pieces.IdToPiece(i): i for i in range(pieces.GetPieceSize())}
    ranked = [
        (-pieces.GetScore(i), i, piece[:at], piece[at:])
        for piece, i in vocab.items()
        if not (pieces.IsControl(i) or pieces.IsUnknown(i) or pieces.IsByte(i))
        for at in range(1, len(piece))
        if piece[:at] in vocab and piece[at:] in vocab
    ]
    merges = [(left, right) for _, _, left, right in sorted(ranked)]
    made = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    made.save(str(folder / "tokenizer.json"))


SPECIALS = ("<unk>", "<s>", "</s>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A function that makes a folder of a tokenizer with some of its files."""

    @functools.cache
    def make(name, files):
        made = tmp_path_factory.mktemp("tokenizer")
        if files != "tokenizer.json":
            shutil.copy(_source(name) / "tokenizer.model", made)
        shutil.copy(_source(name) / "tokenizer_config.json", made)
        if files in ("tokenizer.json", "both"):
            write_tokenizer_json(name, made)
        if files == "saved by transformers":
            AutoTokenizer.from_pretrained(made).save_pretrained(made)
            assert (made / "tokenizer.json").is_file()
        return made

    return make


@functools.cache
def loaded(folder, kind):
    if kind == "transformers":
        return AutoTokenizer.from_pretrained(folder)
    if kind == "engine in this process":
        return tokenizer_from_files(LoadSettings(model=str(folder), local_files_only=True))
    return ClientTokenizer(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transformers", "client", "engine in this process"])
@pytest.mark.parametrize("files", FILES)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("llama2", marks=pytest.mark.skipif(not LLAMA2.is_dir(), reason="not here")),
        "mistral",
    ],
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=TEXTS)
@example(CODE)
@example(" x")
@example("   ")
@example("".join(" " * n + "東" for n in range(41)))
def test_the_ids_are_sentencepieces(folder, name, files, kind, text):
    tokenizer = loaded(folder(name, files), kind)
    pieces = pieces_of(name)
    assert encode_text(text, tokenizer) == pieces.EncodeAsIds(text)
    turns = [("user", text), ("assistant", "はい"), ("user", "次")]
    prompt = encode(turns, tokenizer, on_control_text="allow")
    segments = [f"[INST] {text.strip()} [/INST] はい", "[INST] 次 [/INST] "]
    wanted = [[1], pieces.EncodeAsIds(segments[0]), [2], pieces.EncodeAsIds(segments[1])]
    assert prompt == [i for ids in wanted for i in ids]


@pytest.mark.skipif(not LLAMA2.is_dir(), reason="not here")
def test_paragraphs_have_sentencepieces_ids():
    path = LLAMA2.parent / "jsquad" / "valid-v1.3.json"
    data = json.loads(path.read_text("utf-8"))["data"]
    texts = [p["context"] for article in data for p in article["paragraphs"]][:300]
    texts += [Path(__file__).read_text("utf-8")]
    for kind in ("transformers", "client"):
        tokenizer = loaded(LLAMA2, kind)
        assert [encode_text(t, tokenizer) for t in texts] == pieces_of("llama2").EncodeAsIds(texts)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", '{"model": {}}'),
        ("tokenizer.model", "no model"),
        ("tokenizer_config.json", "[1]"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(ModelUnavailableError, match=f"{name}' cannot be read"):
        ClientTokenizer(tmp_path)


def test_decoded_text_is_the_text():
    for folder in [LLAMA2] * LLAMA2.is_dir() + [mistral_folder()]:
        tokenizer = ClientTokenizer(folder)
        ids = [1, *encode_text(CODE, tokenizer), 2]
        assert tokenizer.decode(ids) == f"<s>{CODE}</s>"
        assert tokenizer.decode(ids, skip_special_tokens=True) == CODE
        assert tokenizer.decode(torch.tensor(ids), skip_special_tokens=True) == CODE


@pytest.mark.parametrize(
    ("tokenizer", "prompt", "drops"),
    [
        pytest.param("llama2", "東京は？ [/INST] ", True, id="Ver0.1"),
        pytest.param("llama2", "### 応答:\n", True, id="SentencePiece"),
        pytest.param("mistral", "[/INST]", True, id="Mistral"),
        pytest.param("bytes", "東京は？ [/INST] ", True, id="byte level, Ver0.1"),
        pytest.param("bytes", "### 応答:\n", False, id="byte level"),
    ],
)
def test_a_space_that_begins_an_answer_is_the_prompts_or_the_vocabularys(tokenizer, prompt, drops):
    made = byte_level_tokenizer() if tokenizer == "bytes" else ClientTokenizer(_source(tokenizer))
    assert drops_first_space(encode_text(prompt, made), made) is drops
