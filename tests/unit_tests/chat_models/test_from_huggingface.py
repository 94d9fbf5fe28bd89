"""What langchain-huggingface has loaded is taken over, and not loaded a second time."""

import pytest
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from langchain_swallow import ChatSwallow


@pytest.fixture(scope="module")
def loaded(checkpoint):
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    return HuggingFacePipeline(pipeline=pipeline("text-generation", model, tokenizer=tokenizer))


def test_the_model_itself_answers(loaded):
    made = ChatSwallow.from_huggingface(loaded, max_tokens=5)
    assert made.load().model is loaded.pipeline.model
    wanted = ChatSwallow.from_model(loaded.pipeline.model, loaded.pipeline.tokenizer, max_tokens=5)
    assert made.invoke("東京").content == wanted.invoke("東京").content


# langchain-huggingface imports it.
@pytest.mark.filterwarnings("ignore:.*langchain-community:DeprecationWarning")
def test_a_chat_model_is_taken_too(loaded):
    chat = ChatHuggingFace(llm=loaded, tokenizer=loaded.pipeline.tokenizer)
    assert ChatSwallow.from_huggingface(chat).load().model is loaded.pipeline.model


def test_what_has_no_model_here_is_refused():
    with pytest.raises(TypeError, match=r"not object\. To use a server, pass base_url="):
        ChatSwallow.from_huggingface(object())
