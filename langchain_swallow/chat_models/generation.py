"""Options for generating answers, each declared once: its type, default, limits and meaning.

`ChatSwallow` has these fields, and a call may set them again. `--max-tokens` and the tables of
docs/parameters.md are generated from them.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from langchain_swallow.engines.options import option
from langchain_swallow.prompts import OnControlText
from langchain_swallow.prompts.system_prompt import SYSTEM_PROMPT


class GenerationOptions(BaseModel):
    """Options that can be set for a chat model and for each call."""

    system_prompt: str | None = option(
        SYSTEM_PROMPT,
        "System prompt of a conversation that has none; None adds none",
        "会話にシステムメッセージがないときに使うシステムプロンプト。None は付けない",
    )
    max_tokens: int = option(512, "Most tokens of an answer", "回答の最大の長さ（トークン）", ge=1)
    reasoning: bool | None = option(
        None,
        "Whether a model that can think does so before it answers; the thought is in "
        'additional_kwargs["reasoning_content"]. None leaves it to the chat template',
        "考えてから答えるモデルで、回答の前に思考させるか。思考は "
        'additional_kwargs["reasoning_content"] に入る。None はチャットテンプレートのとおり',
    )
    reasoning_effort: Literal["low", "medium", "high"] | None = option(
        None,
        "How long a model thinks whose chat template knows efforts, such as gpt-oss. None is the "
        "template's own",
        "gpt-oss のように段階を選べるモデルの思考の長さ。None はチャットテンプレートのもの",
    )
    max_reasoning_tokens: int | None = option(
        None,
        "Most tokens of a thought. At its end the thought is closed and the answer begins; "
        "max_tokens counts the answer alone. None is what the context window leaves, up to 16,384",
        "思考の最大の長さ（トークン）。そこで思考を閉じて回答を始める。max_tokens は回答だけを"
        "数える。None はコンテキスト長の残りで、最大 16,384",
        ge=1,
    )
    temperature: float | None = option(
        None,
        "0, and anything below 0.00001, is greedy decoding: the same question gets the same "
        "answer. None, here and in the next four, takes the model's default: greedy, or its card's "
        "sampling if it thinks",
        "0（0.00001 未満も）は貪欲法で、同じ質問に同じ回答を返す。None は、続く四つでも、モデルの"
        "標準。貪欲法か、考えてから答えるモデルならモデルカードの値",
        ge=0,
        le=2,
    )
    top_p: float | None = option(
        None,
        "Sample from the smallest set of tokens with this probability",
        "確率の合計がこの値になる最小のトークンの集合から選ぶ",
        gt=0,
        le=1,
    )
    top_k: int | None = option(
        None,
        "Sample from this many of the most probable tokens; 0 from all",
        "確率の高いこの数のトークンから選ぶ。0 はすべてから",
        ge=0,
    )
    min_p: float | None = option(
        None,
        "Sample from tokens at least this share as likely as the likeliest; 0 from all",
        "いちばん確率の高いトークンの、この割合以上の確率のトークンから選ぶ。0 はすべてから",
        ge=0,
        le=1,
    )
    presence_penalty: float | None = option(
        None,
        "Above 0 makes tokens that the answer has already less likely. llama.cpp counts the "
        "prompt's tokens too",
        "0 より大きいと、回答にすでに出たトークンが出にくくなる。llama.cpp はプロンプトのトークンも"
        "数える",
        ge=-2,
        le=2,
    )
    repetition_penalty: float = option(
        1.0,
        "Above 1 makes tokens that were seen before less likely",
        "1 より大きいと、すでに出たトークンが出にくくなる",
        gt=0,
    )
    seed: int | None = option(
        None, "The same seed gives the same answer", "同じ seed なら同じ回答になる"
    )
    stop: list[str] | None = option(
        None,
        "Strings that end an answer and are not part of it",
        "回答を終わらせる文字列。回答には含まれない",
    )
    n: int = option(
        1, "Answers per prompt (generate)", "一つのプロンプトへの回答の数（generate）", ge=1
    )
    logprobs: bool = option(
        False,
        "Report the log probabilities of tokens in response_metadata",
        "トークンの対数確率を response_metadata に入れる",
    )
    top_logprobs: int | None = option(
        None,
        "Report this many alternatives to each token as well",
        "それぞれのトークンの代わりの候補もこの数だけ入れる",
        ge=0,
        le=20,
    )
    on_control_text: OnControlText = option(
        "escape",
        "What to do with turn markers such as [INST] in a message. Control tokens in a message are "
        "plain text always",
        "メッセージの中の [INST] などの目印の扱い。制御トークンはいつでもただの文字になる",
    )
    on_overflow: Literal["error", "drop_oldest"] = option(
        "error",
        "What to do when prompt and max_tokens exceed the context window: raise, or leave out the "
        "oldest turns, whole, and keep the system prompt",
        "プロンプトと max_tokens がコンテキスト長を超えたとき、エラーにするか、システムプロンプトを"
        "残して古い発言から除くか",
    )
    timeout: float | None = option(
        None,
        "Seconds that an answer may take; None sets no limit, but a server that sends nothing for "
        "10 minutes has failed. A server is first asked what it serves, for at most 30 seconds",
        "回答にかけられる秒数。None は無制限だが、10 分間何も送らないサーバーはエラーになる。"
        "サーバーには初めに対応する機能を最長 30 秒で問い合わせる",
        gt=0,
    )

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
