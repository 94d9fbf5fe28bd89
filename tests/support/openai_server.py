"""The application over queued answers, with OpenAI's and LangChain's clients of it."""

import httpx2
import openai
from langchain_openai import ChatOpenAI

from langchain_swallow import ChatSwallow, JapaneseTextSplitter
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant
from tests.support.assistants import store
from tests.support.tokenizers import trained_tokenizer

CHAT = "Swallow-7b-instruct-v0.1"
QUESTION = [{"role": "user", "content": "会議室は何階ですか。"}]


class Server:
    """The application; `engine.requests` are what the model was asked."""

    def __init__(self, *answers, tokenizer=None, model=CHAT, **options):
        self.engine = FakeEngine(answers, tokenizer or trained_tokenizer())
        llm = ChatSwallow.from_engine(self.engine, model=model)
        self.assistant = Assistant(llm, store(), splitter=JapaneseTextSplitter(100))
        self.app = create_app(self.assistant, page=False, **options)
        transport = httpx2.ASGITransport(self.app)
        self.http = httpx2.AsyncClient(transport=transport)
        arguments = {"base_url": "http://127.0.0.1/v1", "api_key": "secret", "max_retries": 0}
        self.client = openai.AsyncOpenAI(http_client=self.http, **arguments)
        self.langchain = ChatOpenAI(
            model=model, http_async_client=self.http, use_responses_api=False, **arguments
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()

    def prompt(self, number=-1):
        ids = self.engine.requests[number].prompt_ids
        return self.engine.tokenizer.decode(ids)

    def create(self, **fields):
        return self.client.chat.completions.create(**{"model": CHAT, "messages": QUESTION} | fields)
