"""LangChain's own integration tests of a chat model, on the demo model."""

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_swallow import ChatSwallow


@pytest.mark.usefixtures("demo_folder")
class TestChatSwallow(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatSwallow

    @property
    def chat_model_params(self):
        return {"model": "demo", "max_tokens": 64}

    @property
    def model_override_value(self):
        return "demo"
