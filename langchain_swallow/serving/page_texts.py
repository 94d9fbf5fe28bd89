"""What the chat page says, in Japanese and English."""

TEXTS = {
    "title": (
        "## 文書に聞く\n文書から、出典を付けて答えます。",
        "## Ask the documents\nAnswers come from the documents, with their sources.",
    ),
    "ask": ("質問", "Question"),
    "ask_hint": ("質問を書いて Enter", "Write a question and press Enter"),
    "send": ("聞く", "Ask"),
    "stop": ("止める", "Stop"),
    "again": ("答え直す", "Answer again"),
    "new": ("新しい会話", "New conversation"),
    "files": ("文書を追加", "Add documents"),
    "settings": ("設定", "Settings"),
    "preset": ("プリセット", "Preset"),
    "system": ("システムプロンプト（空なら標準）", "System prompt (empty: the preset's)"),
    "k": ("見せる資料の数", "Passages shown to the model"),
    "max_tokens": ("答えの最大の長さ（トークン）", "Longest answer (tokens)"),
    "temperature": ("温度（0 はモデルのデフォルト）", "Temperature (0: the model's default)"),
    "conversation": ("会話", "Conversation"),
}

# What the script of the page says.
SCRIPT_TEXTS = {
    "lost": (
        "サーバーがこの会話を忘れました（再起動など）。ここまでの会話と追加した文書は、"
        "これからの回答に使われません。",
        "The server has forgotten this conversation, for example because it was restarted. "
        "Its messages and added documents are not used for the next answers.",
    ),
    "unsent": (
        "回答が届きませんでした。もう一度聞いてください。",
        "No answer has arrived. Ask again.",
    ),
    "chunks": ("箇所", "chunks"),
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
<legend><span class="ja">使う人</span><span class="en">For</span></legend>
<label><input type="radio" name="whose" value="mine" checked>
<span class="ja">この会話だけ</span><span class="en">This conversation</span></label>
<label><input type="radio" name="whose" value="everyone">
<span class="ja">全員</span><span class="en">Everyone</span></label>
</fieldset>"""
