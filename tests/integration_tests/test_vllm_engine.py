"""vLLM in this process passes the suite of every engine.

Runs where vLLM is installed: an environment of its own, see tests/make_vllm_environment.py.
"""

import pytest

pytest.importorskip("vllm", reason="vLLM is not in this environment; it has one of its own")

from langchain_core.decisions import Choice

from langchain_swallow import ChatSwallow, SwallowDecision
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.vllm import load_vllm_engine
from langchain_swallow.errors import DeviceError, ModelUnavailableError
from tests.conformance import WINDOW, ClosingConformance, EngineConformance, save_checkpoint

# vLLM leaves a ZeroMQ context to the garbage collector.
pytestmark = [
    pytest.mark.alone,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
OPTIONS = {"enforce_eager": True, "max_model_len": WINDOW, "seed": 0}


@pytest.fixture(scope="module", autouse=True)
def _small_cache():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("conformance"))


def load(checkpoint, **settings):
    settings = LoadSettings(
        model=str(checkpoint),
        engine="vllm",
        dtype="float32",
        engine_options=OPTIONS,
        **settings,
    )
    return load_vllm_engine(settings)


class TestVLLM(EngineConformance):
    scores_tokens = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, checkpoint):
        made = load(checkpoint, speculative=None)
        yield made
        made.close()


class TestClosingVLLM(ClosingConformance):
    @pytest.fixture
    def new_engine(self, checkpoint):
        return lambda: load(checkpoint, speculative=None)


def test_chat_swallow_answers_and_decides(checkpoint):
    llm = ChatSwallow(
        model=str(checkpoint),
        engine="vllm",
        dtype="float32",
        max_tokens=5,
        speculative=None,
        engine_options=OPTIONS,
    )
    answer = llm.invoke("東京は？")
    assert answer.response_metadata["engine"] == "vllm"
    assert answer.usage_metadata["output_tokens"] == 5
    state = "会議室は3階にあります。" * 10
    questions = {"q": Choice(instructions="何階？", criteria={"1階": None, "3階": "上"})}
    found = SwallowDecision(llm=llm).invoke({"state": state, "questions": questions})
    assert sum(found.choices["q"].probabilities.values()) == pytest.approx(1)
    assert found.usage["input_token_details"]["cache_read"] > llm.get_num_tokens(state)
    llm.unload()


def test_prompt_lookup_on_a_cpu_is_refused(checkpoint):
    with pytest.raises(DeviceError, match="does not keep to grammars on a CPU"):
        load(checkpoint, speculative="prompt_lookup")


def test_a_folder_that_is_no_model_is_a_typed_error(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match="vLLM cannot load"):
        load(tmp_path)


def test_more_memory_than_there_is_says_what_to_lower(checkpoint, monkeypatch):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE")
    with pytest.raises(ModelUnavailableError, match="lower gpu_memory_utilization"):
        load(checkpoint, gpu_memory_utilization=1.0)
