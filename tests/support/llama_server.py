"""A real llama.cpp server for the tests: its own C++ in `xllamacpp`, built with llguidance.

python tests/support/llama_server.py MODEL.gguf PORT
"""

import argparse
import json
import signal
import sys

import httpx

from tests.support.server_process import ServerProcess

API_KEY = "sk-test"
SLOTS = 4


def write_gguf(checkpoint, path, *, space_prefix):
    """A Llama checkpoint with a SentencePiece vocabulary as a GGUF file in float32.

    Args:
        checkpoint: Its folder.
        path: Of the new file.
        space_prefix: Whether a text gets a space before it, as Llama 2's and Swallow's do.
    """
    import gguf
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _write_vocabulary(writer, gguf.TokenType, tokenizer)
    writer.add_add_space_prefix(space_prefix)
    heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}
    for name, weights in model.state_dict().items():
        values = weights.float().numpy()
        for kind, count in heads.items():
            if name.endswith(f"{kind}_proj.weight"):
                values = _interleaved(values, count)
        writer.add_tensor(_name_of(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_vocabulary(writer, kinds, tokenizer):
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    types = [kinds.BYTE if name.startswith("<0x") else kinds.NORMAL for name in names]
    types[:3] = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names)
    # SentencePiece's BPE numbers its pieces in the order in which they are joined.
    writer.add_token_scores([-float(i) for i in range(len(names))])
    writer.add_token_types(types)
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(True)


def _interleaved(weights, heads):
    """Rows of rotary halves in the order of GGUF, pair by pair."""
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, -1)


def _name_of(name):
    parts = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "model.layers": "blk",
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    for ours, theirs in parts.items():
        name = name.replace(ours, theirs)
    return name


class LlamaServer(ServerProcess):
    """One server process of a GGUF file."""

    def __init__(self, model, log):
        command = [sys.executable, "-m", "tests.support.llama_server", "--model"]
        super().__init__([*command, str(model)], "--port", log)

    def busy_slots(self):
        """How many answers it is at."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        slots = json.loads(httpx.get(f"{self.url}/slots", headers=headers).text)
        return sum(slot["is_processing"] for slot in slots)


def main(model, port):
    """Serve until killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = port
    params.api_keys = [API_KEY]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * 2048
    params.endpoint_slots = True
    # As exact as the weights; by default it computes attention in half precision.
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    main(arguments.model, arguments.port)
