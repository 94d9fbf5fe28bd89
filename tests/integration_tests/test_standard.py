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
        return {"model": "demo", "max_tokens": 256, "repetition_penalty": 1.04}

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_anthropic_inputs(self):
        return False

    @property
    def model_override_value(self):
        return "demo"
