"""Slack のメンションに、文書から出典を付けて答える。スレッドごとに会話を覚える。

Answer mentions in Slack from documents, with citations; each thread is a conversation.

    pip install slack-bolt
    SLACK_BOT_TOKEN=xoxb-… SLACK_APP_TOKEN=xapp-… python examples/19_slack_bot.py --index 索引

Scopes of the bot: app_mentions:read, chat:write. Socket mode needs no public address. Everyone in
the workspace can then read what the index holds. Without the tokens, it answers one example question.
"""

import argparse
import os
import re
from collections import defaultdict
from pathlib import Path

from langchain_core.chat_history import InMemoryChatMessageHistory

from langchain_swallow import (
    Answer,
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.rag import create_conversational_rag_chain

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="demo")
parser.add_argument("--embeddings", default="demo")
parser.add_argument("--index", type=Path, help="of langchain-swallow index; else the examples")
arguments = parser.parse_args()

llm = ChatSwallow(model=arguments.model, max_tokens=256)
store = SwallowFAISS(SwallowEmbeddings(arguments.embeddings), path=arguments.index)
if arguments.index is None:
    documents = load_documents(Path(__file__).parent / "documents")
    store.add_documents(JapaneseTextSplitter(300, llm).split_documents(documents))

# Lost when the bot restarts; any chat history of LangChain keeps them.
histories: defaultdict[str, InMemoryChatMessageHistory] = defaultdict(InMemoryChatMessageHistory)
chat = create_conversational_rag_chain(llm, HybridRetriever(store=store), histories.__getitem__)


def plain(text: str) -> str:
    """Text that Slack shows as it is: no mentions, links or formatting of documents."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_slack(answer: Answer) -> str:
    """The answer, then a line for each citation."""
    notes = {
        "supported": "文書と一致",
        "quoted": "語句のみ一致、要確認",
        "not_found": "文書で確認できず",
    }
    marks = [f"[{c.number}] {c.place}（{notes[c.status]}）" for c in answer.citations]
    return "\n".join(plain(line) for line in (answer.text, *marks))


def reply(text: str, thread: str) -> str:
    """What the bot says to a mention in a thread."""
    question = re.sub(r"<@\w+>", "", text).strip()
    return as_slack(chat.invoke(question, {"configurable": {"session_id": thread}}))


def main() -> None:
    from slack_bolt import App
    from slack_bolt.adapter.socket_mode import SocketModeHandler

    app = App(token=os.environ["SLACK_BOT_TOKEN"])

    @app.event("app_mention")
    def answer_mention(event, say):
        thread = event.get("thread_ts") or event["ts"]
        say(text=reply(event["text"], f"{event['channel']} {thread}"), thread_ts=thread)

    SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start()


if __name__ == "__main__":
    if "SLACK_BOT_TOKEN" in os.environ:
        main()
    else:
        print(reply("<@U0123> 試用期間はどのくらいですか。", "thread"))
