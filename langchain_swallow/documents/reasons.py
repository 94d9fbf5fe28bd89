"""Why a file, or a part of one, was not read: the readers' English reasons for Japanese people.

Readers say reasons in English, because they are texts of exceptions, which people search for. The
command line and the chat page show them in the language of their reader.
"""

import functools
import re

from langchain_swallow._system.language import current_language

# `{}` is a value. A reason within a reason, such as after the name of a file, is translated too.
JAPANESE = {
    # Files
    "{} has an unknown format. {}": "{} は対応していない形式です。{}",
    "Save {} in {} as PDF, or pass a reader: {}.": (
        "{} は {} で PDF に保存するか、リーダーを渡してください: {}"
    ),
    "Save {} in {} as .docx or PDF, or pass a reader: {}.": (
        "{} は {} で .docx か PDF に保存するか、リーダーを渡してください: {}"
    ),
    "Known are {}.": "読める形式: {}",
    "{} is larger than max_file_mb={}. Raise it, or split the file.": (
        "{} は max_file_mb={} を超えます。上限を上げるか、ファイルを分割してください。"
    ),
    "{} was not read: {}. It may be damaged or made to do harm.": (
        "{} は読めませんでした（{}）。壊れているか、害を与えるために作られた可能性があります。"
    ),
    "its reader died": "読み取りの処理が異常終了",
    "it took over {} s": "{} 秒を超過",
    "{} was not read: the reader for {} failed: {}.": (
        "{} は読めませんでした。{} のリーダーのエラー: {}"
    ),
    "{} was not read. {}": "{} は読めませんでした。{}",
    "{} cannot be read: {}.": "{} は読めません: {}",
    "Page {} cannot be rendered.": "{} ページの画像を作れません。",
    "Page {} cannot be rendered: its process sent another size.": (
        "{} ページの画像を作れません。処理が別の大きさを返しました。"
    ),
    "{} is nested too deep. Save the file alone.": (
        "{} は入れ子が深すぎます。このファイルだけを保存してください。"
    ),
    "the file has no text": "テキストのないファイル",
    "Groups from POSIX permissions can only be read on Linux.": (
        "POSIX の権限からグループを読めるのは Linux だけです。"
    ),
    "{} is not valid: {}. Write lines such as {}, in UTF-8.": (
        "{} に誤りがあります（{}）。{} のような行を UTF-8 で書いてください。"
    ),
    "{}: the groups of {} must be a list of names, not {}. Write for example {}; a pattern with a "
    "dot needs its quotation marks.": (
        "{}: {} のグループは名前のリストにしてください。今の値: {}。例: {}。"
        "点のあるパターンは引用符で囲みます。"
    ),
    # Text
    "offset {} (line {})": "位置 {}（{} 行目）",
    "{} contains NUL bytes, the first at {}, so it is not a text file. Save it as UTF-8 and try "
    "again.": (
        "{} には NUL バイトがあり（最初の位置: {}）、テキストファイルではありません。"
        "UTF-8 で保存してください。"
    ),
    "{} is ISO-2022-JP by its escape sequences and is damaged at {}. Save it as UTF-8 and try "
    "again.": "{} は ISO-2022-JP ですが、{} が壊れています。UTF-8 で保存してください。",
    "{} is in no known encoding, or not a text file. Save it as UTF-8 and try again.": (
        "{} の文字コードが分からないか、テキストファイルではありません。UTF-8 で保存してください。"
    ),
    "{} looks like {}, but the byte {} at {} is damaged. Correct it, or save the file as UTF-8.": (
        "{} は {} のようですが、バイト {}（{}）が壊れています。直すか、UTF-8 で保存してください。"
    ),
    "it is not a valid table from line {} on: the rest is one cell. A quotation mark may be open; "
    "close it.": (
        "{} 行目から正しい表ではありません。残りが一つのセルです。"
        "引用符が閉じていない可能性があります。"
    ),
    "it is not a valid table from line {} on: {}.": "{} 行目から正しい表ではありません: {}",
    "It is not a Jupyter notebook: {}.": "Jupyter ノートブックではありません: {}",
    "It is JSON that is nested too deep.": "JSON の入れ子が深すぎます。",
    "Line {} is not valid JSON: {}.": "{} 行目は正しい JSON ではありません: {}",
    "Line {} is JSON that cannot be read: {}.": "{} 行目の JSON は読めません: {}",
    "output without text ({})": "テキストのない出力（{}）",
    "code in lines of over 5,000 characters": "5,000 文字を超える行のコード",
    "text behind what the HTML parser cannot read": "HTML として読めない部分より後のテキスト",
    "scripts, styles and templates": "スクリプト、スタイル、テンプレート",
    "navigation and tables of contents": "ナビゲーションと目次",
    "tables of contents": "目次",
    "entry of a table of contents": "目次の項目",
    "page, video or drawing inside the page": "ページの中のページ、動画、図",
    "readings (ruby)": "ふりがな",
    "reading beside characters (ruby)": "ふりがな",
    "legend and colophon of Aozora Bunko": "青空文庫の凡例と奥付",
    # Archives, Office
    "{} is encrypted. Save it without a password.": (
        "{} は暗号化されています。パスワードなしで保存してください。"
    ),
    "{} is encrypted with a password. Open it in Office and save it without the password.": (
        "{} にはパスワードがあります。Office で開いて、パスワードなしで保存してください。"
    ),
    "{} is an Office 97-2003 file (.doc, .xls, .ppt) or an Outlook message with another extension. "
    "Save it in a current format, such as .docx, .xlsx or .pptx.": (
        "{} は、拡張子の違う Office 97-2003 のファイルか Outlook のメッセージです。"
        ".docx、.xlsx、.pptx など今の形式で保存してください。"
    ),
    "{} has {} files, over {}. Split the archive.": (
        "{} には {} 個のファイルがあり、上限の {} 個を超えます。アーカイブを分割してください。"
    ),
    "{} is an archive in an archive. Unpack the outer one.": (
        "{} はアーカイブの中のアーカイブです。外側を展開してください。"
    ),
    "{} is not a readable archive: {}.": "{} はアーカイブとして読めません: {}",
    "{} unpacks to {} bytes; refused as too large.": (
        "{} は展開すると {} バイトになり、大きすぎます。"
    ),
    "{}: {} unpacks to {} bytes, {} times its size; refused as too large.": (
        "{}: {} は展開すると {} バイト（{} 倍）になり、大きすぎます。"
    ),
    "{} has a path that leads out of it: {}.": "{} には外に出るパスがあります: {}",
    "{}: {} cannot be unpacked: {}.": "{}: {} を展開できません: {}",
    "{}: {} is damaged: {}.": "{}: {} が壊れています: {}",
    "{} is damaged, or not a spreadsheet: {}.": (
        "{} は壊れているか、スプレッドシートではありません: {}"
    ),
    "{} is damaged: {}.": "{} は壊れています: {}",
    "{} has over {} characters on a sheet. Split the sheet.": (
        "{} には {} 文字を超えるシートがあります。シートを分割してください。"
    ),
    "{} could not be converted by LibreOffice. It may be damaged or have a password. LibreOffice "
    "said: {}": (
        "{} を LibreOffice で変換できません。壊れているか、パスワードがある可能性があります。"
        "LibreOffice の出力: {}"
    ),
    "LibreOffice reads {}, and is not installed: install it (Debian: {}), or save the file as "
    "{}.": (
        "{} を読む LibreOffice がありません。インストールするか（Debian: {}）、"
        "{} で保存してください。"
    ),
    "document imported at opening (altChunk)": "開くときに取り込まれる文書（altChunk）",
    "slide that the file does not have": "ファイルにないスライド",
    "slide without text": "テキストのないスライド",
    "video or sound": "動画または音声",
    "picture without a description": "説明のない画像",
    "damaged chart or SmartArt": "壊れたグラフまたは SmartArt",
    "embedded object; its own program shows what is in it": (
        "埋め込みオブジェクト。内容は作成したプログラムで見られます"
    ),
    "large picture; OCR (`ocr=True`, `--ocr`) reads its text": (
        "大きな画像。OCR（`ocr=True`、`--ocr`）を使うと文字を読めます"
    ),
    "large picture in a vector format (EMF, WMF, SVG), which OCR does not read": (
        "OCR の対象ではないベクター形式（EMF、WMF、SVG）の大きな画像"
    ),
    "picture that cannot be read ({})": "読めない画像（{}）",
    "picture in an .xls file; save the file as .xlsx to have it read": (
        ".xls の中の画像。.xlsx で保存すると読めます"
    ),
    "pictures and text boxes, which cannot be read ({})": "読めない画像とテキストボックス（{}）",
    "hidden sheet; unhide it to have it read": "非表示のシート。再表示すると読めます",
    "hidden row with texts; unhide it to have it read": "非表示の行。再表示すると読めます",
    "hidden column with texts; unhide it to have it read": "非表示の列。再表示すると読めます",
    "formula without a stored value; open the file in Excel and save it": (
        "値が保存されていない数式。Excel で開いて保存すると読めます"
    ),
    "sheet that the file names and does not have; the file may be damaged": (
        "名前だけがあり、ファイルにないシート。ファイルが壊れている可能性があります"
    ),
    # PDF, pictures
    "{} needs a password. Save a copy without a password, and read the copy.": (
        "{} にはパスワードがあります。パスワードなしの複製を保存して、それを使ってください。"
    ),
    "{} has no readable text ({}). It needs another export.": (
        "{} に読めるテキストがありません（{}）。別の方法で書き出してください。"
    ),
    "{} has no readable text ({}). It needs OCR (`ocr=True`, `--ocr`), or another export.": (
        "{} に読めるテキストがありません（{}）。OCR（`ocr=True`、`--ocr`）を使うか、"
        "別の方法で書き出してください。"
    ),
    "unreadable characters; the page needs OCR": "文字コードの読めない文字。OCR が必要です",
    "no text; the page may need OCR": "テキストなし。OCR が必要かもしれません",
    "no text layer; the page needs OCR": "テキスト層なし。OCR が必要です",
    "a picture with only a few words beside it; the page may need OCR": (
        "文字の少ない、画像のページ。OCR が必要かもしれません"
    ),
    "blank page": "白紙のページ",
    "running header, footer or page number": "ヘッダー、フッター、ページ番号",
    "comment": "注釈",
    "stamp whose text cannot be read": "テキストの読めないスタンプ",
    "XFA form whose fields only Adobe's programs can read": (
        "Adobe のプログラムだけが読める XFA フォーム"
    ),
    "It is a picture: OCR (`ocr=True`, `--ocr`) reads its text.": (
        "画像です。OCR（`ocr=True`、`--ocr`）を使うと文字を読めます。"
    ),
    "{} is not a readable image: {}": "{} は画像として読めません: {}",
    "{} has {} × {} pixels, more than {}. Save it with a lower resolution.": (
        "{} は {} × {} ピクセルで、上限の {} を超えます。解像度を下げて保存してください。"
    ),
    "picture in which OCR found no text": "OCR で文字が見つからない画像",
    "picture whose text OCR did not recognize with enough confidence": (
        "OCR の信頼度が低く、採用しなかった画像"
    ),
    "OCR failed: {}": "OCR の失敗: {}",
    "Tesseract failed ({}): {}": "Tesseract のエラー（{}）: {}",
    "OCR took over {} s.": "OCR に {} 秒を超える時間がかかりました。",
    # Books, mail
    "{} is not an EPUB book: it has no {}.": "{} は EPUB ではありません。{} がありません。",
    "{} is a damaged EPUB book: it has no {}.": "{} は壊れた EPUB です。{} がありません。",
    "{} has no {}.": "{} に {} がありません。",
    "part encrypted by its seller (DRM)": "販売元が暗号化した部分（DRM）",
    "part that the file does not have": "ファイルにない部分",
    "part of the book without text": "テキストのない部分",
    "page that is a picture; it needs OCR": "画像のページ。OCR が必要です",
    "{} is not a mail message: it has none of the usual headers.": (
        "{} はメールではありません。通常のヘッダーがありません。"
    ),
    "{} is not a mailbox: it does not begin with a From line.": (
        "{} はメールボックスではありません。From の行で始まっていません。"
    ),
    "{} is not a message of Outlook. It may be damaged.": (
        "{} は Outlook のメッセージではありません。壊れている可能性があります。"
    ),
    "{} is not a message of Outlook, but another OLE file.": (
        "{} は Outlook のメッセージではなく、別の OLE ファイルです。"
    ),
    "encrypted or signed message (S/MIME, PGP)": "暗号化または署名されたメール（S/MIME、PGP）",
    "quotation of a message that is in the same file": "同じファイルにあるメールの引用",
    "body whose parts are nested too deep": "入れ子が深すぎるメールの本文",
    "body that Outlook keeps as RTF only ({})": "Outlook が RTF だけで保存した本文（{}）",
    "its compressed RTF is damaged: {}": "圧縮された RTF が壊れています: {}",
}
# How `describe_left_out` ends: how many parts, and on which pages.
_PLACES = re.compile(r"(.+?)(?: \((\d+)\))?(?:: pages? ([\d, -]+))?", re.DOTALL)
# A reason within a reason within a file in an archive.
_MAX_DEPTH = 4
# Longer ones are of hostile files, and would take time.
_MAX_LENGTH = 600


def in_readers_language(reason: str) -> str:
    """Return a reason, or a line of `describe_left_out`, in the language of its reader.

    A reason that is not known here, such as one of your own reader, stays as it is.
    """
    return _in_japanese(reason, 0) if current_language() == "ja" else reason


def _in_japanese(line: str, depth: int) -> str:
    if depth > _MAX_DEPTH or len(line) > _MAX_LENGTH:
        return line
    if (whole := translated(line, depth)) is not None:
        return whole
    places = _PLACES.fullmatch(line)
    if places and places[1] != line and (reason := translated(places[1], depth)) is not None:
        number = f"（{places[2]} 件）" if places[2] else ""
        pages = places[3] and places[3].replace(", ", "、")
        return reason + number + (f": {pages} ページ" if pages else "")
    where, colon, rest = line.partition(": ")
    return f"{where}: {_in_japanese(rest, depth + 1)}" if colon else line


def translated(reason: str, depth: int = 0) -> str | None:
    """Return a reason in Japanese; `None` if it is not known here."""
    for pattern, japanese in _patterns():
        if match := pattern.fullmatch(reason):
            return japanese.format(*(_in_japanese(value, depth + 1) for value in match.groups()))
    return None


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The templates as patterns; those with the most text go first, because they say most."""

    def size(english: str) -> int:
        return len(english.replace("{}", ""))

    return tuple(
        (re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), japanese)
        for english, japanese in sorted(JAPANESE.items(), key=lambda item: -size(item[0]))
    )
