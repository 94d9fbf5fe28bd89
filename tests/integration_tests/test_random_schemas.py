"""200 random schemas, sampled by random weights: every answer is JSON of its schema."""

import json
import random
import string

import jsonschema
import pytest

from langchain_swallow.chat_models.json_schemas import for_grammar
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.chat_models.structured_output import answer_grammar
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.protocol import Chunk, Finish, Grammar, Request
from tests.support.tiny_models import tiny
from tests.support.tokenizers import byte_level_tokenizer, trained_tokenizer

KEYS = "名前 年齢 住所 備考 数量 単価 日付 title count tags 🌸 薔薇".split()
FORMATS = ("date", "uuid", "ipv4")
PATTERNS = (r"^[A-Z]{2}-\d{3}$", r"^第[0-9]{1,3}条$", r"^(東|西|南|北)口$")


def random_schema(rng, depth=0):
    """A schema with Japanese keys and values whose answers are of bounded length."""
    leaves = [text, number, choice, formatted, patterned, lambda _: {"type": "boolean"}]
    nested = [record, record, listed, either, referring]
    return rng.choice(leaves if depth >= 3 else leaves + nested)(rng) if depth else record(rng)


def deeper(rng):
    rng.depth += 1
    made = random_schema(rng, rng.depth)
    rng.depth -= 1
    return made


def text(rng):
    least = rng.randint(0, 3)
    return {"type": "string", "minLength": least, "maxLength": least + rng.randint(0, 9)}


def number(rng):
    low = rng.randint(-99, 99)
    made = {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 5000)}
    if rng.random() < 0.2:
        return {"type": "integer", "minimum": low, "maximum": abs(low) + 50, "multipleOf": 5}
    return made


def choice(rng):
    values = ["はい", "いいえ", 'かぎ"かっこ', "改行\n", 1, None, True, {"入れ子": [1]}]
    return {"enum": rng.sample(values, rng.randint(1, 4))}


def formatted(rng):
    return {"type": "string", "format": rng.choice(FORMATS)}


def patterned(rng):
    return {"type": "string", "pattern": rng.choice(PATTERNS)}


def record(rng):
    keys = rng.sample(KEYS, rng.randint(1, 4))
    properties = {key: deeper(rng) for key in keys}
    required = [key for key in keys if rng.random() < 0.7]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def listed(rng):
    least = rng.randint(0, 2)
    return {"type": "array", "items": deeper(rng), "minItems": least, "maxItems": least + 2}


def either(rng):
    return {"anyOf": [deeper(rng), {"type": "null"}]}


def referring(rng):
    return {"$ref": f"#/$defs/{rng.choice(['住所', '印'])}"}


def schemas(count, seed):
    rng = random.Random(seed)
    rng.depth = 0
    definitions = {
        "住所": {
            "type": "object",
            "properties": {"市": {"type": "string", "maxLength": 5}},
            "required": ["市"],
            "additionalProperties": False,
        },
        "印": {"const": "".join(rng.sample(string.ascii_letters, 4))},
    }
    return [{**random_schema(rng), "$defs": definitions} for _ in range(count)]


@pytest.mark.parametrize(
    ("tokenizer", "seed"), [(trained_tokenizer, 1), (byte_level_tokenizer, 2)], ids=["sp", "bpe"]
)
def test_every_answer_is_json_of_its_schema(tokenizer, seed):
    drawn = schemas(100, seed)
    engine = LocalEngine(tiny(), tokenizer(), context_window=4096, max_batch=32)
    streams = [
        Stream(
            engine,
            Request(
                prompt_ids=(1, 300, 301),
                max_tokens=3000,
                temperature=1.0 + i % 3 / 4,
                top_p=(1.0, 0.9)[i % 2],
                seed=i,
                grammar=answer_grammar(schema),
            ),
        )
        for i, schema in enumerate(drawn)
    ]
    for schema, stream in zip(drawn, streams, strict=True):
        events = list(stream)
        answer = "".join(event.text for event in events if isinstance(event, Chunk))
        assert isinstance(events[-1], Finish)
        assert events[-1].reason == "stop", (schema, answer[-200:])
        value = json.loads(answer)
        jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())
    engine.close()


def test_the_grammar_of_a_schema_is_the_schema():
    schema = schemas(1, 3)[0]
    grammar = answer_grammar(schema)
    assert grammar == Grammar("json_schema", json.dumps(for_grammar(schema), ensure_ascii=False))
