"""LangChain's own unit tests of a chat model."""

from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_swallow import ChatSwallow


class TestChatSwallow(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return ChatSwallow

    @property
    def chat_model_params(self):
        return {"model": "demo"}

    @property
    def init_from_env_params(self):
        return {"HF_TOKEN": "hf_x"}, {"model": "demo"}, {"token": "hf_x"}
