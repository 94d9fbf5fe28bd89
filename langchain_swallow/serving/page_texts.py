"""Texts of the chat page in Japanese and English."""

TEXTS = {
    "title": (
        "## 文書に質問する\n文書から、出典を付けて答えます。",
        "## Ask the documents\nAnswers come from the documents, with their sources.",
    ),
    "ask": ("質問", "Question"),
    "ask_hint": ("質問を書いて Enter", "Write a question and press Enter"),
    "send": ("送信", "Send"),
    "stop": ("止める", "Stop"),
    "again": ("再生成", "Regenerate"),
    "new": ("新しい会話", "New conversation"),
    "files": ("文書を追加", "Add documents"),
    "settings": ("設定", "Settings"),
    "preset": ("プリセット", "Preset"),
    "system": ("システムプロンプト（空ならデフォルト）", "System prompt (empty: the preset's)"),
    "k": ("参照するチャンク数", "Chunks in the prompt"),
    "max_tokens": ("回答の最大の長さ（トークン）", "Maximum length of an answer (tokens)"),
    "temperature": ("温度（0 はモデルのデフォルト）", "Temperature (0: the model's default)"),
    "conversation": ("会話", "Conversation"),
}

# Texts of the page's script.
SCRIPT_TEXTS = {
    "lost": (
        "サーバーがこの会話を忘れました（再起動など）。ここまでの会話と追加した文書は、"
        "これからの回答に使われません。",
        "The server has forgotten this conversation, for example because it was restarted. "
        "Its messages and added documents are not used for the next answers.",
    ),
    "unsent": (
        "回答が届きませんでした。もう一度送信してください。",
        "No answer has arrived. Send the question again.",
    ),
    "chunks": ("チャンク", "chunks"),
    "leftOut": ("読めなかった部分", "Not read"),
    "remove": ("削除", "Remove"),
    "failed": (
        "送れませんでした。もう一度追加してください。",
        "It could not be sent. Add it again.",
    ),
}

FILE_PICKER = """<div class="files">
<label><span class="ja">ファイルを選ぶ</span><span class="en">Choose files</span>
<input type="file" multiple accept="{accept}"></label>
{whose}
<p class="note ja">この会話だけに使い、新しい会話やページを閉じたときに消えます。</p>
<p class="note en">Used for this conversation only; removed with it, and when the page closes.</p>
<div id="uploaded" role="status"></div>
</div>"""

FILE_OWNERS = """<fieldset>
<legend><span class="ja">公開範囲</span><span class="en">Visible to</span></legend>
<label><input type="radio" name="whose" value="mine" checked>
<span class="ja">この会話だけ</span><span class="en">This conversation</span></label>
<label><input type="radio" name="whose" value="everyone">
<span class="ja">全員</span><span class="en">Everyone</span></label>
</fieldset>"""
