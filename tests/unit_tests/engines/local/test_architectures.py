"""Qwen3, its mixture of experts, and gpt-oss: the logits are those of transformers.

gpt-oss has attention sinks (`s_aux`), biases, and layers with a sliding window of a few tokens.
"""

import json

import pytest
import torch

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.local import loading
from langchain_swallow.engines.local.attention import attends_quickly
from langchain_swallow.engines.protocol import Request
from langchain_swallow.errors import EngineError, MissingDependencyError
from tests.support.architectures import KINDS, made
from tests.support.local_engines import NoEnd, logprobs, prompts, run
from tests.support.tokenizers import trained_tokenizer


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    """An engine, and the same model as transformers runs it."""
    engine = loading.engine_from(made(request.param), NoEnd(), 256)
    yield engine, made(request.param)
    engine.close()


def reference(model, prompt, length):
    """Greedy ids, and the log probability of each."""
    ids, found = list(prompt), []
    for _ in range(length):
        with torch.inference_mode():
            scores = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        ids.append(int(scores.argmax()))
        found.append(float(scores.max()))
    return ids[len(prompt) :], found


def test_answers_have_the_logits_of_transformers(pair):
    engine, model = pair
    for prompt in prompts(3):
        ids, events = run(engine, Request(prompt_ids=prompt, max_tokens=12, logprobs=0))
        wanted_ids, wanted = reference(model, prompt, 12)
        assert ids == wanted_ids
        got = [token.logprob for tokens in logprobs(events) for token in tokens]
        assert got == pytest.approx(wanted, abs=1e-4)


def test_a_known_prefix_and_a_longer_prompt_change_no_logit(pair):
    engine, model = pair
    prompt = prompts(1)[0]
    ids, _ = run(engine, Request(prompt_ids=prompt, max_tokens=6))
    longer = (*prompt, *ids, *range(270, 290))
    again, events = run(engine, Request(prompt_ids=longer, max_tokens=6, logprobs=0))
    assert events[-1].cached_tokens > 0
    wanted_ids, wanted = reference(model, longer, 6)
    assert again == wanted_ids
    got = [token.logprob for tokens in logprobs(events) for token in tokens]
    assert got == pytest.approx(wanted, abs=1e-4)


def test_without_sinks_gpt_oss_would_answer_otherwise():
    """What makes the comparison above show something."""
    model, without = made("gpt_oss"), made("gpt_oss")
    for layer in without.model.layers:
        layer.self_attn.sinks.data.fill_(-torch.inf)
    prompt = prompts(1)[0]
    assert reference(model, prompt, 1)[1] != pytest.approx(
        reference(without, prompt, 1)[1], abs=0.01
    )


def test_attention_that_has_no_place_for_sinks_is_refused_with_vllm_named():
    model = made("gpt_oss")
    engine = loading.engine_from(model, NoEnd(), 256)
    assert not attends_quickly(model)
    # As somebody may do to a model that is loaded.
    model.config._attn_implementation = "swallow_sdpa"
    for layer in model.model.layers:
        layer.self_attn.config._attn_implementation = "swallow_sdpa"
    _, events = run(engine, Request(prompt_ids=prompts(1)[0], max_tokens=2))
    assert isinstance(events[-1], EngineError)
    assert "attention sinks" in str(events[-1])
    assert 'engine="vllm"' in str(events[-1])
    engine.close()


def test_sdpa_for_gpt_oss_is_refused_with_what_to_use(tmp_path):
    made("gpt_oss").save_pretrained(tmp_path)
    trained_tokenizer().save_pretrained(tmp_path)
    llm = ChatSwallow(model=str(tmp_path), attn_implementation="sdpa", device="cpu")
    with pytest.raises(ValueError, match=r'has no "sdpa" attention.*"eager".*engine="vllm"'):
        llm.load()


def test_a_checkpoint_quantized_by_what_is_not_installed_names_vllm(tmp_path):
    made("qwen3").save_pretrained(tmp_path)
    trained_tokenizer().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": 128}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(MissingDependencyError, match=r'not installed.*engine="vllm"'):
        ChatSwallow(model=str(tmp_path), device="cpu").load()
