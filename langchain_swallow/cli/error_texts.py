"""What the command says of an error, in the user's language.

Exceptions of the Python API are in English, so that their text can be searched for. A Japanese
reader first gets a line that says what kind of error it is and what to do, then the details.
"""

import sqlite3

from pydantic import ValidationError

from langchain_swallow import errors
from langchain_swallow._system.language import current_language
from langchain_swallow.cli.parsers import CommandError

# The first class of an error's that is here has its text.
JAPANESE: dict[type[Exception], str] = {
    errors.UnknownModelError: (
        "そのようなモデルはありません。langchain-swallow models で名前を確認してください。"
    ),
    errors.ModelUnavailableError: (
        "モデルのファイルを用意できません。接続とアクセスの承認を確認してください。"
    ),
    errors.ModelNotFoundError: "モデルが見つかりません。名前を確認してください。",
    errors.BaseModelError: (
        "ベースモデルは対話できません。指示チューニング済みのモデルを指定してください。"
    ),
    errors.PromptOverflowError: (
        "プロンプトがコンテキスト長を超えます。質問か文書を短くしてください。"
    ),
    errors.ContextOverflowError: (
        "プロンプトがコンテキスト長を超えます。質問か文書を短くしてください。"
    ),
    errors.ControlTextError: (
        "メッセージにプロンプトの区切り記号が含まれています。取り除いてください。"
    ),
    errors.PromptError: "メッセージをこのモデルのプロンプトにできません。",
    errors.GrammarError: "スキーマまたはツールを文法で強制できません。定義を見直してください。",
    errors.OutOfMemoryError: (
        "メモリが足りません。--quantization を使うか、小さいモデルを指定してください。"
    ),
    errors.DeviceError: (
        "指定したデバイスかデータ型を使えません。--device と --dtype を確認してください。"
    ),
    errors.GenerationTimeoutError: "時間内に回答が終わりませんでした。",
    errors.ServerConnectionError: (
        "サーバーに接続できません。--base-url とサーバーの状態を確認してください。"
    ),
    errors.ServerBusyError: "サーバーが混んでいます。しばらくしてからもう一度試してください。",
    errors.AuthenticationError: (
        "サーバーが API キーを受け付けません。SWALLOW_API_KEY を確認してください。"
    ),
    errors.InvalidRequestError: "サーバーがリクエストを受け付けません。",
    errors.ServerError: "サーバーがエラーを返しました。サーバーのログを確認してください。",
    errors.MissingAnswerError: "モデルが考えただけで回答しませんでした。",
    errors.EngineError: "モデルの実行に失敗しました。",
    errors.IncompleteOutputError: "出力が途中で切れました。--max-tokens を大きくしてください。",
    errors.MissingDependencyError: (
        "必要なパッケージがありません。次のコマンドでインストールしてください。"
    ),
    errors.DocumentError: "文書を読めません。",
    errors.AccessError: "権限の設定を使えません。",
    errors.EvaluationError: "評価の入力ファイルを使えません。示した行を直してください。",
    errors.EmbeddingError: "埋め込みモデルの出力を使えません。",
    errors.IndexStoreError: "索引を使えません。場所を確認するか、作り直してください。",
    errors.MassDeletionError: (
        "大半のファイルがなくなっているため、索引から何も削除しませんでした。"
    ),
    errors.ReasoningError: "このモデルでは思考を指定どおりに切り替えられません。",
    errors.SwallowError: "処理に失敗しました。",
    ValidationError: "オプションの値が正しくありません。",
    sqlite3.Error: "索引のデータベースを読み書きできません。ディスクの空き容量を確認してください。",
    FileNotFoundError: "ファイルまたはフォルダーがありません。",
    PermissionError: "ファイルまたはフォルダーにアクセスする権限がありません。",
    OSError: "ファイルまたはネットワークを読み書きできません。",
    ValueError: "指定した値を使えません。",
}


def error_text(error: Exception) -> str:
    """What an error says, after a line in Japanese for those who read that.

    >>> error_text(ValueError("No such file."))
    'No such file.'
    """
    english = _english(error)
    if current_language() == "en" or isinstance(error, CommandError):
        return english
    japanese = next((JAPANESE[kind] for kind in type(error).__mro__ if kind in JAPANESE), "")
    return f"{japanese}\n{english}".strip()


def _english(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(_of_fields(error))
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _of_fields(error: ValidationError) -> list[str]:
    """What pydantic says of each field, without its links and the names of our classes."""
    lines = []
    for found in error.errors(include_url=False, include_context=False):
        name = ".".join(map(str, found["loc"]))
        lines.append(f"{name}={found['input']!r}: {found['msg']}." if name else found["msg"])
    return lines
