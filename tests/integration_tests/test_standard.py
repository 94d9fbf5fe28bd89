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
        # In float32 the demo model says the same on every CPU; in bfloat16, which is the default
        # where the CPU has it, what it says of a tool's description differs and may not end.
        return {
            "model": "demo",
            "max_tokens": 256,
            "repetition_penalty": 1.04,
            "dtype": "float32",
        }

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_anthropic_inputs(self):
        return False

    @property
    def model_override_value(self):
        return "demo"
