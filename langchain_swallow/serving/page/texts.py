"""Texts of the chat page in Japanese and English."""

from langchain_core.documents import Document

from langchain_swallow._system.language import in_language
from langchain_swallow.rag.citation import Citation, CitationStatus, found_note, note

_STATUSES: tuple[CitationStatus, ...] = ("supported", "quoted", "not_found")

_TEXTS = {
    "title": ("文書に質問する", "Ask the documents"),
    "lead": ("文書から、出典を付けて答えます。", "Answers come from the documents, with sources."),
    "skip": ("質問の入力欄へ", "Skip to the question"),
    "conversations": ("会話", "Conversations"),
    "new": ("新しい会話", "New conversation"),
    "search": ("会話を検索", "Search conversations"),
    "none_found": ("見つかりませんでした。", "Nothing was found."),
    "kept": (
        "会話はこのサーバーに保存されます。",
        "This server keeps the conversations.",
    ),
    "not_kept": (
        "会話は、サーバーを再起動するか、24 時間使わないと消えます。",
        "Conversations end when the server restarts, or after 24 hours without use.",
    ),
    "more": ("操作", "Actions"),
    "rename": ("名前を変更", "Rename"),
    "name": ("会話の名前", "Name of the conversation"),
    "delete": ("削除", "Delete"),
    "confirm_delete": ("この会話を削除しますか。", "Delete this conversation?"),
    "export_markdown": ("Markdown で書き出す", "Export as Markdown"),
    "export_json": ("JSON で書き出す", "Export as JSON"),
    "files": ("文書を追加", "Add documents"),
    "choose": ("ファイルを選ぶ", "Choose files"),
    "files_note": (
        "この会話だけに使い、会話とともに消えます。",
        "Used for this conversation only, and deleted with it.",
    ),
    "whose": ("公開範囲", "Visible to"),
    "mine": ("この会話だけ", "This conversation"),
    "everyone": ("全員", "Everyone"),
    "library": ("索引の文書", "Documents of the index"),
    "chunks": ("チャンク", "chunks"),
    "reading": ("読んでいます", "reading"),
    "left_out": ("読めなかった部分", "Not read"),
    "remove": ("削除", "Remove"),
    "failed": ("送れませんでした。もう一度追加してください。", "It was not sent. Add it again."),
    "answers": ("質問と回答", "Questions and answers"),
    "suggestions": ("質問の例", "Example questions"),
    "question": ("質問", "Question"),
    "hint": ("質問を書いて Enter", "Write a question and press Enter"),
    "send": ("送信", "Send"),
    "stop": ("止める", "Stop"),
    "waiting": ("文書を探しています", "Searching the documents"),
    "thought": ("思考", "Thought"),
    "thinking": ("考えています（{n} 文字）", "Thinking ({n} characters)"),
    "again": ("再生成", "Regenerate"),
    "copy": ("コピー", "Copy"),
    "copied": ("コピーしました", "Copied"),
    "stopped": ("ここで止めました。", "Stopped here."),
    "sources": ("出典", "Sources"),
    "citation": ("出典 {n}", "Source {n}"),
    "good": ("よい回答", "Good answer"),
    "bad": ("よくない回答", "Bad answer"),
    "reason": ("理由（任意）", "Reason (optional)"),
    "send_reason": ("理由を送る", "Send the reason"),
    "thanks": ("評価を保存しました。", "The rating is kept."),
    "lost": (
        "サーバーがこの会話を忘れました（再起動など）。ここまでの会話と追加した文書は、"
        "これからの回答に使われません。",
        "The server has forgotten this conversation, for example because it was restarted. Its "
        "messages and added documents are not used for the next answers.",
    ),
    "unsent": (
        "回答が届きませんでした。もう一度送信してください。",
        "No answer has arrived. Send the question again.",
    ),
    "cut": ("回答が途中で切れました。", "The answer was cut off."),
    "source": ("出典の文書", "Source document"),
    "previous": ("前の出典", "Previous source"),
    "next": ("次の出典", "Next source"),
    "close": ("閉じる", "Close"),
    "loading": ("開いています", "Opening"),
    "page_image": ("{place} のページ", "Page of {place}"),
    "zoom": ("拡大", "Enlarge"),
    "passage": ("引用したチャンク", "Cited chunk"),
    "not_cited": ("質問への答えではありません", "It does not answer the question"),
    "settings": ("設定", "Settings"),
    "preset": ("プリセット", "Preset"),
    "system": ("システムプロンプト（空ならデフォルト）", "System prompt (empty: the preset's)"),
    "k": ("参照するチャンク数", "Chunks in the prompt"),
    "max_tokens": ("回答の最大の長さ（トークン）", "Maximum length of an answer (tokens)"),
    "temperature": ("温度（0 はモデルのデフォルト）", "Temperature (0: the model's default)"),
    "reset": ("デフォルトに戻す", "Reset to defaults"),
    "theme": ("表示", "Appearance"),
    "theme_system": ("システムの設定", "System"),
    "theme_light": ("ライト", "Light"),
    "theme_dark": ("ダーク", "Dark"),
    "help": ("キー操作", "Keyboard"),
    "key_enter": ("送信", "Send"),
    "key_newline": ("改行", "New line"),
    "key_escape": ("止める、閉じる", "Stop, close"),
    "key_next": ("次の出典、前の出典", "Next source, previous source"),
    "key_next_short": (
        "次、前（出典を開いているとき）",
        "Next, previous (while a source is open)",
    ),
    "sign_out": ("ログアウト", "Log out"),
    "confirm_sign_out": (
        "ログアウトすると、このブラウザーの会話は削除されます。",
        "Logging out deletes the conversations of this browser.",
    ),
}


def page_texts() -> dict[str, str]:
    """Return the texts by name, in the language of the request."""
    texts = {name: in_language(ja, en) for name, (ja, en) in _TEXTS.items()}
    texts["found"] = found_note()
    for status in _STATUSES:
        texts[f"status_{status}"] = _note(Citation(1, Document(""), status=status))
    texts["status_contradicted"] = _note(Citation(1, Document(""), contradicted=True))
    return texts


def _note(citation: Citation) -> str:
    return note(citation).strip(" （）()")
