"""Texts of the server's OpenAPI schema in Japanese, for docs/http-api.md."""

JAPANESE = {
    # Responses
    "The page": "ページの画像",
    "A field has a wrong value": "フィールドの値が正しくない",
    "A field has a wrong value, or the conversation exceeds the context window": (
        "フィールドの値が正しくないか、会話がコンテキスト長を超える"
    ),
    "Any other error": "そのほかのエラー",
    "It cannot answer": "回答できない",
    "JSON; with `stream`, server-sent events of chunks, and at the end `[DONE]`": (
        "JSON。`stream` では、チャンクの Server-Sent Events と、最後に `[DONE]`"
    ),
    "JSON; with `stream`, server-sent events: `documents`, several `text`, then `answer` with all "
    "of it, or `error`": (
        "JSON。`stream` では Server-Sent Events で、`documents`、いくつかの `text`、最後に全体の "
        "`answer` か `error`"
    ),
    "No index": "索引がない",
    "The form took too long to come": "フォームの受信に時間がかかりすぎた",
    "The request cannot be read": "リクエストを読めない",
    "The request comes from another site, or is not permitted": (
        "別のサイトからのリクエストか、許可されていない"
    ),
    "The request is too large": "リクエストが大きすぎる",
    "The server does not have this model": "このモデルはサーバーにない",
    "The server does not have this session, document or path": (
        "このセッション、文書、パスはサーバーにない"
    ),
    "The server is busy or stops, or its model cannot be reached; see Retry-After": (
        "サーバーが混んでいるか、停止中か、モデルに接続できない。Retry-After を参照"
    ),
    "The answer has taken too long": "回答に時間がかかりすぎた",
    "The server is not called by this host name": "このホスト名からのアクセスは許可されていない",
    "The token is missing or wrong": "トークンがないか、誤っている",
    "This client has reached a limit, or the queue is full; see Retry-After": (
        "クライアントが上限に達したか、待ち行列がいっぱい。Retry-After を参照"
    ),
    # Objects
    "A citation, as OpenAI's search models have it.": "OpenAI の検索モデルと同じ形の引用。",
    "An answer with its passages and citations.": "回答と、チャンクと、引用。",
    "An answer; `swallow-rag` adds `annotations` and `citations`.": (
        "回答。`swallow-rag` では `annotations` と `citations` も入る。"
    ),
    "One message of the conversation.": "会話の一つのメッセージ。",
    "The body of `POST /v1/chat/completions`.": "`POST /v1/chat/completions` の本文。",
    "The answer of a request.": "リクエストへの回答。",
    "A citation in the answer and its quote; offsets count code points of the passage.": (
        "回答の中の引用と、引用した文字列。位置はチャンクのコードポイントで数える。"
    ),
    "The response to `POST /v1/chat/completions`.": "`POST /v1/chat/completions` のレスポンス。",
    "How much was deleted.": "削除した数。",
    "The vector of a text, with unit length.": "テキストのベクトル。長さは 1。",
    "The body of `POST /v1/embeddings`.": "`POST /v1/embeddings` の本文。",
    "The response to `POST /v1/embeddings`; tokens are counted by the chat model's tokenizer.": (
        "`POST /v1/embeddings` のレスポンス。トークンはチャットモデルのトークナイザーで数える。"
    ),
    "The body of an error.": "エラーの本文。",
    "What is wrong with a request.": "リクエストの誤り。",
    "The error of one field.": "一つのフィールドのエラー。",
    "The errors of a request's fields.": "リクエストのフィールドのエラー。",
    "A file of a session.": "セッションのファイル。",
    "The result of an uploaded file.": "アップロードしたファイルの結果。",
    "The function of a tool call; `arguments` is JSON text.": (
        "ツール呼び出しの関数。`arguments` は JSON の文字列。"
    ),
    "Whether the server runs.": "サーバーが動いているか。",
    "That the server's process answers.": "サーバーのプロセスが応答すること。",
    "A message of a conversation.": "会話のメッセージ。",
    "A model of this server.": "このサーバーのモデル。",
    "The models of this server.": "このサーバーのモデルの一覧。",
    "A new session.": "新しいセッション。",
    "A passage in the prompt of the answer.": "回答のプロンプトに入ったチャンク。",
    "The error of a well-formed request.": "形は正しいリクエストのエラー。",
    "A question; without a session it has no history.": "質問。セッションがなければ履歴もない。",
    "Whether the server can answer.": "サーバーが回答できるか。",
    "Options of a stream.": "ストリームのオプション。",
    "A tool call of an earlier answer.": "前の回答のツール呼び出し。",
    "A cited document, and the span of the sentence in `content` that cites it.": (
        "引用された文書と、`content` の中で引用している文の範囲。"
    ),
    "Numbers of tokens.": "トークン数。",
    "A conversation, as it is kept.": "保存されている会話。",
    "A question of a session and its answer.": "セッションの質問と回答。",
    "A name for a session.": "セッションの名前。",
    "A rating of an answer.": "回答の評価。",
    "One of a person's sessions in which questions were answered.": (
        "ユーザーのセッションのうち、回答のあるものの一つ。"
    ),
    "The shared documents that a person may see.": "その人が見てよい、索引の文書。",
    "The source of a citation.": "引用の出典。",
    # Fields
    "its id in the session; empty without a session": "セッションでの ID。セッションがなければ空",
    "the question, as it was sent": "送られた質問",
    "seconds since 1970": "1970 年からの秒数",
    "its rating; null without one": "評価。なければ null",
    "the latest ones, from which answers are made": "回答に使う、最近のメッセージ",
    "the latest 100": "最近の 100 個",
    "names of files, at most 1,000": "ファイルの名前。1,000 個まで",
    "file, headings and page, for people": "人が読むための、ファイル、見出し、ページ",
    "file, headings and page": "ファイル、見出し、ページ",
    "regenerate: replaces the session's last answer if it has the same question": (
        "再生成。セッションの最後の質問と同じなら、その回答を置き換える"
    ),
    "as it was named, or its first question": "付けた名前、または最初の質問",
    "seconds since its last answer": "最後の回答からの秒数",
    "empty: its first question": "空なら最初の質問",
    "name of the file": "ファイルの名前",
    "of the citation; null if it is not cited": "引用の状態。引用されていなければ null",
    "the passage": "チャンク",
    "half-open spans of the text that are cited, in code points": (
        "引用された範囲（開始以上、終了未満）。テキストのコードポイントで数える"
    ),
    "text of the document before the passage": "文書の、チャンクより前のテキスト",
    "text of the document after the passage": "文書の、チャンクより後のテキスト",
    "whether `image` has the page of the PDF": "PDF のページの画像が `image` にあるか",
    "rectangles around the cited words on the image: left, top, width and height, as shares of its "
    "width and height": (
        "画像の中の、引用された語を囲む長方形。左、上、幅、高さを、画像の幅と高さに対する割合で表す"
    ),
    "0 only": "0 だけ",
    "1 only": "1 だけ",
    "`user` or `assistant`": "`user` または `assistant`",
    "a text, or up to 2,048 texts, none of them empty": (
        "一つのテキスト、または 2,048 個までのテキスト。空は不可"
    ),
    "an id of GET /v1/models": "GET /v1/models にある ID",
    "an id that POST /v1/sessions has returned": "POST /v1/sessions が返した ID",
    "as it was searched": "検索に使った形",
    "as max_completion_tokens": "max_completion_tokens と同じ",
    "chunks of the file; 0 where it was not added": "ファイルのチャンク数。追加されなければ 0",
    "chunks of the index": "索引のチャンク数",
    "empty only": "空だけ",
    "empty only; see tools": "空だけ。tools を使う",
    "float, the default, or float32 values in base64": (
        "float（デフォルト）、または float32 を base64 で"
    ),
    "its id": "ID",
    "its id: keep it secret, whoever has it may use the session": (
        "ID。持っている人は誰でもセッションを使えるので、秘密にする"
    ),
    "longest answer, without a thought before it": "回答の最大の長さ。前の思考は数えない",
    "longest answer, without a thought before it; above the server's limit, the limit applies": (
        "回答の最大の長さ。前の思考は数えない。サーバーの上限を超えれば、上限になる"
    ),
    "only the model's own number": "モデルの次元数だけ",
    "server-sent events instead of JSON": "JSON の代わりに Server-Sent Events",
    "supported: the passage agrees with the sentence and has what the question names. quoted: the "
    "passage has the words, but they may not answer the question": (
        "supported は、チャンクが文と一致し、質問が挙げるものもある。quoted は、語句はあるが、"
        "質問の答えではないかもしれない"
    ),
    "the document's file name, percent-encoded": "文書のファイル名。パーセントエンコーディング",
    "the id of the embedding model, see GET /v1/models": (
        "埋め込みモデルの ID。GET /v1/models を参照"
    ),
    "the model's thought before the answer, or empty": "回答の前のモデルの思考。なければ空",
    "the thought before the answer": "回答の前の思考",
    "what of it could not be read, such as pages without text; the rest was added": (
        "テキストのないページなど、読めなかった部分。ほかは追加された"
    ),
    "what the texts are, for models that were trained with a prefix for each: questions, or "
    "documents (default)": (
        "テキストの種類（質問、またはデフォルトの文書）。種類ごとの接頭辞で学習したモデルで使う"
    ),
    "when the server started, in seconds since 1970": "サーバーの起動時刻（1970 年からの秒数）",
    "whether a last chunk without choices has the usage": (
        "最後に、choices が空で使用量の入ったチャンクを送るか"
    ),
    "whether the index can be read": "索引を読めるか",
    "whether the conversations can be read": "会話を読めるか",
    "whether the model is loaded, or its server can be reached": (
        "モデルを読み込んだか、そのサーバーに接続できるか"
    ),
    "whether the server is stopping": "サーバーが停止中か",
    "why it cannot answer; empty if it can": "回答できない理由。回答できれば空",
    "id of the request in the server's logs, as in the header X-Request-ID": (
        "サーバーのログにあるリクエストの ID。ヘッダー X-Request-ID と同じ"
    ),
    "whether the passage says the opposite, or has other numbers, dates or units": (
        "チャンクが反対のことを述べているか、数、日付、単位が違うか"
    ),
    "whether the status is not not_found": "status が not_found 以外か",
    "why it was not added; empty where it was": "追加されなかった理由。追加されれば空",
}
