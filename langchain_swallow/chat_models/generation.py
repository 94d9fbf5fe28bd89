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
        "System prompt of a conversation that has no system message. None adds none",
        "会話にシステムメッセージがないときのシステムプロンプト。None は付けない",
    )
    max_tokens: int = option(
        512, "Maximum length of an answer in tokens", "回答の最大トークン数", ge=1
    )
    reasoning: bool | None = option(
        None,
        "Whether a model that can think does so before it answers; the thought is in "
        'additional_kwargs["reasoning_content"]. None leaves it to the chat template',
        "考えてから答えるモデルに、回答の前に思考させるか。"
        '思考は additional_kwargs["reasoning_content"] に入る。'
        "None はチャットテンプレートに任せる",
    )
    reasoning_effort: Literal["low", "medium", "high"] | None = option(
        None,
        "How long a model thinks whose chat template supports efforts, such as gpt-oss. None is "
        "the template's default",
        "gpt-oss など、段階を選べるモデルの思考の長さ。None はチャットテンプレートのデフォルト",
    )
    max_reasoning_tokens: int | None = option(
        None,
        "Maximum length of a thought in tokens. At the limit, the thought is closed and the "
        "answer begins; max_tokens counts the answer only. None is what the context window "
        "leaves, up to 16,384",
        "思考の最大トークン数。この長さで思考を閉じて、回答を始める。"
        "max_tokens は回答だけを数える。None はコンテキスト長の残りで、最大 16,384",
        ge=1,
    )
    temperature: float | None = option(
        None,
        "Randomness of sampling. 0 (and below 0.00001) is greedy decoding: the same question "
        "gets the same answer. Raise it for more varied answers. None, also in the next four "
        "options, is the model's default: greedy, or the sampling of its model card if it thinks",
        "サンプリングのランダムさ。0（0.00001 未満も）は貪欲法で、同じ質問に同じ回答を返す。"
        "大きいほど回答が多様になる。None は、続く四つでも、モデルのデフォルト（貪欲法。"
        "考えてから答えるモデルでは、モデルカードの値）",
        ge=0,
        le=2,
    )
    top_p: float | None = option(
        None,
        "Sample from the smallest set of tokens whose probabilities add up to this value. Lower "
        "it for less varied answers",
        "確率の合計がこの値になる、最小のトークンの集合から選ぶ。小さいほど回答が安定する",
        gt=0,
        le=1,
    )
    top_k: int | None = option(
        None,
        "Sample from this number of the most probable tokens; 0 is all tokens",
        "確率の高い順に、この数のトークンから選ぶ。0 はすべてのトークンから",
        ge=0,
    )
    min_p: float | None = option(
        None,
        "Sample from tokens whose probability is at least this share of the most probable "
        "token's; 0 is all tokens",
        "いちばん確率の高いトークンの、この割合以上の確率を持つトークンから選ぶ。"
        "0 はすべてのトークンから",
        ge=0,
        le=1,
    )
    presence_penalty: float | None = option(
        None,
        "Above 0, tokens that the answer already contains become less likely. Raise it if "
        "answers repeat themselves. llama.cpp counts the tokens of the prompt, too",
        "0 より大きいと、回答にすでに出たトークンが出にくくなる。"
        "繰り返しが多いときに大きくする。llama.cpp はプロンプトのトークンも数える",
        ge=-2,
        le=2,
    )
    repetition_penalty: float = option(
        1.0,
        "Above 1, tokens that the prompt or the answer already contains become less likely. 1 "
        "changes nothing",
        "1 より大きいと、プロンプトか回答にすでに出たトークンが出にくくなる。1 は何も変えない",
        gt=0,
    )
    seed: int | None = option(
        None,
        "Seed of sampling: with the same seed, the same prompt gets the same answer. None is a "
        "new seed for each answer",
        "サンプリングのシード。同じシードなら、同じプロンプトに同じ回答を返す。"
        "None は回答ごとに新しいシード",
    )
    stop: list[str] | None = option(
        None,
        "Strings that end an answer and are not part of it. None adds none",
        "回答を終わらせる文字列。回答には含まれない。None は何も加えない",
    )
    n: int = option(
        1,
        "Number of answers per prompt, for generate()",
        "一つのプロンプトへの回答の数。generate() で使う",
        ge=1,
    )
    logprobs: bool = option(
        False,
        "Report the log probabilities of the tokens in response_metadata",
        "トークンの対数確率を response_metadata に入れる",
    )
    top_logprobs: int | None = option(
        None,
        "With logprobs, also report this number of alternatives to each token. None is 0",
        "logprobs とともに、各トークンの代わりの候補もこの数だけ入れる。None は 0",
        ge=0,
        le=20,
    )
    on_control_text: OnControlText = option(
        "escape",
        "What to do with markers of prompt formats, such as [INST], in a message: escape breaks "
        "them, error raises an error, allow leaves them. Control tokens in a message are always "
        "plain text",
        "メッセージの中の、[INST] などプロンプト形式の目印の扱い。escape は分断、"
        "error はエラー、allow はそのまま。制御トークンは、いつでもただの文字になる",
    )
    on_overflow: Literal["error", "drop_oldest"] = option(
        "error",
        "What to do if prompt and max_tokens exceed the context window: error raises an error; "
        "drop_oldest leaves out the oldest turns and keeps the system prompt",
        "プロンプトと max_tokens がコンテキスト長を超えたときの扱い。error はエラー、"
        "drop_oldest はシステムプロンプトを残して古い発言から除く",
    )
    timeout: float | None = option(
        None,
        "Maximum time of an answer in seconds. None sets no limit, but a server that sends "
        "nothing for 10 minutes has failed. Before its first answer, a server is asked what it "
        "serves, for at most 30 seconds",
        "回答の最大の秒数。None は無制限だが、10 分間何も送らないサーバーはエラーになる。"
        "最初の回答の前に、サーバーに対応する機能を最長 30 秒で問い合わせる",
        gt=0,
    )

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
