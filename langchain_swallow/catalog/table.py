"""Every checkpoint of the Swallow family.

Shapes come from each checkpoint's `config.json`; parameter counts and memory are computed from
them, not copied. `tests/unit_tests/catalog/test_shapes.py` builds every config on the meta device
and compares. Dates are those of the model cards. Scores are `ja_mtb` of the Swallow LLM Leaderboard
v2, as of 2026-08; earlier versions of it had another judge, whose scores do not compare.
"""

from dataclasses import replace

from langchain_swallow.catalog.model_info import ModelInfo, PromptFormat, Sampling
from langchain_swallow.catalog.shape import Shape

_L7 = Shape("llama", 4096, 11008, 32, 32, 32, 128)
_L13 = Shape("llama", 5120, 13824, 40, 40, 40, 128)
_L70 = Shape("llama", 8192, 28672, 80, 64, 8, 128)
_MS7 = Shape("mistral", 4096, 14336, 32, 32, 8, 128)
_MX = Shape("mixtral", 4096, 14336, 32, 32, 8, 128, experts=8, active_experts=2)
_L8 = Shape("llama", 4096, 14336, 32, 32, 8, 128)
_TINY = Shape("qwen2", 1536, 8960, 28, 12, 2, 128, ties_embeddings=True)
_Q8 = Shape("qwen3", 4096, 12288, 36, 32, 8, 128)
_Q32 = Shape("qwen3", 5120, 25600, 64, 64, 8, 128)
_Q30_A3 = Shape("qwen3_moe", 2048, 768, 48, 32, 4, 128, experts=128, active_experts=8)


def _gemma2_shape(hidden: int, intermediate: int, layers: int, heads: int, head_dim: int) -> Shape:
    """Every second layer has a sliding window; key and value heads are half of the heads."""
    return Shape(
        "gemma2", hidden, intermediate, layers, heads, heads // 2, head_dim,
        sliding_window=4096, sliding_layers=layers // 2, ties_embeddings=True,
    )  # fmt: skip


def _gpt_oss_shape(layers: int, experts: int) -> Shape:
    """Every second layer has a sliding window."""
    return Shape(
        "gpt_oss", 2880, 2880, layers, 64, 8, 64, experts=experts, active_experts=4,
        sliding_window=128, sliding_layers=layers // 2,
    )  # fmt: skip


_VER01_SAMPLING = Sampling(temperature=0.99, top_p=0.95)
_LLAMA3_SAMPLING = Sampling(temperature=0.6, top_p=0.9)
QWEN3_SAMPLING = Sampling(temperature=0.6, top_p=0.95, top_k=20)
GPT_OSS_SAMPLING = Sampling(temperature=0.6, top_p=0.95)


def _llama2(name: str, shape: Shape, date: str, sibling: str | None = None) -> ModelInfo:
    vocabulary = 32_000 if "-NVE-" in name else 43_176
    chat: PromptFormat | None = "alpaca" if name.endswith("-instruct-hf") else None
    prompt_format: PromptFormat | None = "ver0.1" if name.endswith("-v0.1") else chat
    sampling = _VER01_SAMPLING if prompt_format else None
    return ModelInfo(
        name, shape, vocabulary, 4096, prompt_format, "llama2", sibling,
        release_date=date, sampling=sampling,
    )  # fmt: skip


def _llama3(
    name: str,
    date: str,
    licence: str,
    score: float | None = None,
    *,
    sibling: str | None = None,
) -> ModelInfo:
    shape = _L70 if "-70B-" in name else _L8
    is_first = name.startswith("Llama-3-")
    return ModelInfo(
        name, shape, 128_256, 8192 if is_first else 131_072,
        None if sibling else "tokenizer", licence, sibling,
        release_date=date, japanese_mt_bench=score,
        tool_form=None if is_first or sibling else "llama3.1",
        sampling=None if sibling else _LLAMA3_SAMPLING,
    )  # fmt: skip


def _gemma2(size: str, shape: Shape) -> list[ModelInfo]:
    base = ModelInfo(
        f"Gemma-2-Llama-Swallow-{size}-pt-v0.1", shape, 256_000, 8192, None,
        "gemma AND llama3.3", f"Gemma-2-Llama-Swallow-{size}-it-v0.1", release_date="2025-05-19",
    )  # fmt: skip
    chat = replace(
        base,
        name=f"Gemma-2-Llama-Swallow-{size}-it-v0.1",
        prompt_format="tokenizer",
        instruct_sibling=None,
        sampling=_LLAMA3_SAMPLING,
    )
    return [chat, base]


def _qwen3(size: str, shape: Shape, *, cpt: float, sft: float, rl: float) -> list[ModelInfo]:
    """The three stages of training, of which each can chat; and what was made of the last."""

    def stage(suffix: str, score: float) -> ModelInfo:
        return ModelInfo(
            f"Qwen3-Swallow-{size}-{suffix}", shape, 151_936, 32_768, "tokenizer", "apache-2.0",
            release_date="2026-02-20", japanese_mt_bench=score, thinking="think_tag",
            tool_form="hermes", sampling=QWEN3_SAMPLING,
        )  # fmt: skip

    last = stage("RL-v0.2", rl)
    unscored = replace(last, japanese_mt_bench=None)
    return [
        last,
        stage("SFT-v0.2", sft),
        stage("CPT-v0.2", cpt),
        replace(unscored, name=f"{last.name}-AWQ-INT4", quantization="awq"),
        replace(unscored, name=f"Medical-Qwen3-Swallow-{size}", release_date="2026-06"),
    ]


def _gpt_oss(size: str, shape: Shape, *, sft: float, rl: float) -> list[ModelInfo]:
    def stage(suffix: str, score: float) -> ModelInfo:
        return ModelInfo(
            f"GPT-OSS-Swallow-{size}-{suffix}", shape, 201_088, 131_072, "tokenizer", "apache-2.0",
            release_date="2026-02-20", japanese_mt_bench=score, thinking="harmony",
            tool_form="harmony", sampling=GPT_OSS_SAMPLING,
        )  # fmt: skip

    last = stage("RL-v0.1", rl)
    quantized = replace(
        last, name=f"{last.name}-MXFP4", quantization="mxfp4", japanese_mt_bench=None
    )
    return [last, stage("SFT-v0.1", sft), quantized]


def _mistral(name: str, shape: Shape, vocabulary: int, date: str, sibling: str | None) -> ModelInfo:
    prompt_format: PromptFormat | None = None if sibling else "tokenizer"
    return ModelInfo(
        name, shape, vocabulary, 4096, prompt_format, "apache-2.0", sibling, release_date=date
    )


def _tiny() -> list[ModelInfo]:
    chat = ModelInfo(
        "TinySwallow-1.5B-Instruct", _TINY, 151_936, 32_768, "tokenizer", "apache-2.0",
        organisation="SakanaAI", release_date="2025-01-30", tool_form="hermes",
    )  # fmt: skip
    base = replace(
        chat,
        name="TinySwallow-1.5B",
        prompt_format=None,
        instruct_sibling=chat.name,
        tool_form=None,
    )
    return [chat, base]


def _newest_first(models: list[ModelInfo]) -> tuple[ModelInfo, ...]:
    """By date, then by score; a chat model before the base model of the same day."""
    scored = sorted(models, key=lambda info: -(info.japanese_mt_bench or 0.0))
    chat_first = sorted(scored, key=lambda info: not info.is_instruct)
    return tuple(sorted(chat_first, key=lambda info: info.release_date, reverse=True))


_GPT_OSS_120B = _gpt_oss("120B", _gpt_oss_shape(36, 128), sft=0.758, rl=0.772)

MODELS = _newest_first(
    [
        *_GPT_OSS_120B,
        replace(
            _GPT_OSS_120B[0],
            name="Medical-GPT-OSS-Swallow-120B",
            release_date="2026-06",
            japanese_mt_bench=None,
        ),
        *_gpt_oss("20B", _gpt_oss_shape(24, 32), sft=0.731, rl=0.726),
        *_qwen3("32B", _Q32, cpt=0.641, sft=0.738, rl=0.753),
        *_qwen3("30B-A3B", _Q30_A3, cpt=0.602, sft=0.714, rl=0.741),
        *_qwen3("8B", _Q8, cpt=0.568, sft=0.687, rl=0.710),
        _llama3("Llama-3.1-Swallow-8B-Instruct-v0.5", "2025-06-25", "llama3.3 AND gemma", 0.565),
        *_gemma2("27b", _gemma2_shape(4608, 36864, 46, 32, 128)),
        *_gemma2("9b", _gemma2_shape(3584, 14336, 42, 16, 256)),
        *_gemma2("2b", _gemma2_shape(2304, 9216, 26, 8, 256)),
        _llama3("Llama-3.3-Swallow-70B-Instruct-v0.4", "2025-03-10", "llama3.3 AND gemma", 0.634),
        *_tiny(),
        _llama3("Llama-3.1-Swallow-70B-Instruct-v0.3", "2024-12-30", "llama3.1 AND gemma"),
        _llama3("Llama-3.1-Swallow-8B-Instruct-v0.3", "2024-12-23", "llama3.1 AND gemma"),
        _llama3("Llama-3.1-Swallow-8B-Instruct-v0.2", "2024-11-11", "llama3.1"),
        _llama3("Llama-3.1-Swallow-70B-Instruct-v0.1", "2024-10-08", "llama3.1"),
        _llama3("Llama-3.1-Swallow-8B-Instruct-v0.1", "2024-10-08", "llama3.1"),
        _llama3("Llama-3-Swallow-70B-Instruct-v0.1", "2024-07-01", "llama3"),
        _llama3("Llama-3-Swallow-8B-Instruct-v0.1", "2024-07-01", "llama3"),
        _llama3(
            "Llama-3.1-Swallow-8B-v0.5",
            "2025-06-25",
            "llama3.3 AND gemma",
            sibling="Llama-3.1-Swallow-8B-Instruct-v0.5",
        ),
        _llama3(
            "Llama-3.3-Swallow-70B-v0.4",
            "2025-03-14",
            "llama3.3 AND gemma",
            sibling="Llama-3.3-Swallow-70B-Instruct-v0.4",
        ),
        _llama3(
            "Llama-3.1-Swallow-8B-v0.2",
            "2024-11-11",
            "llama3.1",
            sibling="Llama-3.1-Swallow-8B-Instruct-v0.5",
        ),
        _llama3(
            "Llama-3.1-Swallow-70B-v0.1",
            "2024-10-08",
            "llama3.1",
            sibling="Llama-3.3-Swallow-70B-Instruct-v0.4",
        ),
        _llama3(
            "Llama-3.1-Swallow-8B-v0.1",
            "2024-10-08",
            "llama3.1",
            sibling="Llama-3.1-Swallow-8B-Instruct-v0.5",
        ),
        _llama3(
            "Llama-3-Swallow-70B-v0.1",
            "2024-07-01",
            "llama3",
            sibling="Llama-3-Swallow-70B-Instruct-v0.1",
        ),
        _llama3(
            "Llama-3-Swallow-8B-v0.1",
            "2024-07-01",
            "llama3",
            sibling="Llama-3-Swallow-8B-Instruct-v0.1",
        ),
        _mistral("Swallow-MS-7b-instruct-v0.1", _MS7, 42_800, "2024-04-26", None),
        _mistral("Swallow-MS-7b-v0.1", _MS7, 42_800, "2024-03-11", "Swallow-MS-7b-instruct-v0.1"),
        # No chat model was made of it; this one is from the same project and smaller.
        _mistral(
            "Swallow-MX-8x7b-NVE-v0.1", _MX, 32_000, "2024-03-11", "Qwen3-Swallow-30B-A3B-RL-v0.2"
        ),
        _llama2("Swallow-70b-instruct-v0.1", _L70, "2024-04-26"),
        _llama2("Swallow-13b-instruct-v0.1", _L13, "2024-04-26"),
        _llama2("Swallow-7b-instruct-v0.1", _L7, "2024-04-26"),
        _llama2("Swallow-7b-plus-hf", _L7, "2024-03-02", "Swallow-7b-instruct-v0.1"),
        _llama2("Swallow-13b-NVE-hf", _L13, "2024-02-04", "Swallow-13b-instruct-v0.1"),
        _llama2("Swallow-70b-NVE-instruct-hf", _L70, "2024-01-26"),
        _llama2("Swallow-7b-NVE-instruct-hf", _L7, "2024-01-26"),
        _llama2("Swallow-70b-NVE-hf", _L70, "2024-01-26", "Swallow-70b-NVE-instruct-hf"),
        _llama2("Swallow-7b-NVE-hf", _L7, "2024-01-26", "Swallow-7b-NVE-instruct-hf"),
        _llama2("Swallow-70b-instruct-hf", _L70, "2023-12-19"),
        _llama2("Swallow-13b-instruct-hf", _L13, "2023-12-19"),
        _llama2("Swallow-7b-instruct-hf", _L7, "2023-12-19"),
        _llama2("Swallow-70b-hf", _L70, "2023-12-19", "Swallow-70b-instruct-v0.1"),
        _llama2("Swallow-13b-hf", _L13, "2023-12-19", "Swallow-13b-instruct-v0.1"),
        _llama2("Swallow-7b-hf", _L7, "2023-12-19", "Swallow-7b-instruct-v0.1"),
    ]
)
