"""LangChain's integration tests of a chat model that thinks and has Qwen3's form of tools.

The engine is scripted, so what is tested is all around it: prompts, histories, calls and results.
"""

from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.options import LoadedEngine
from tests.support.scripted_hermes import ScriptedHermes
from tests.support.tool_models import hermes_tokenizer

NAME = "Qwen/Qwen3-8B"


class TestHermesForm(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatSwallow

    @property
    def chat_model_params(self):
        engine = ScriptedHermes(hermes_tokenizer())
        return {"model": NAME, "loaded": LoadedEngine(engine, NAME, None), "max_tokens": 1024}

    @property
    def supports_anthropic_inputs(self):
        return False

    @property
    def model_override_value(self):
        return NAME
