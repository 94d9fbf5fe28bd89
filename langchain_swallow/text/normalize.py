"""Normalize text to a search key, with a map back to the original offsets.

The key is only for searching. Users and models see the original text, because NFKC loses
distinctions (①→1, ㍻→平成). This module also unifies dashes and tildes, which NFKC keeps apart.
"""

import re
import unicodedata
from dataclasses import dataclass

_DASHES = dict.fromkeys(map(ord, "−‐‑–—―"), "-")
# PDFs often contain radicals in place of the kanji of the same shape. These pairs of radical and
# kanji are the CJK Radicals Supplement, by Unicode's EquivalentUnifiedIdeograph, because NFKC
# changes almost none of them.
_RADICALS = (
    "⺁厂⺂乛⺃乚⺄乙⺅亻⺆冂⺇𠘨⺈刀⺉刂⺊卜⺋㔾⺌小⺍小⺎兀⺏尣⺐尢⺑𡯂⺒巳⺓幺⺔彑⺕彐⺖忄⺗心"
    "⺘扌⺙攵⺛旡⺜日⺝月⺞歺⺟母⺠民⺡氵⺢氺⺣灬⺤爫⺥爫⺦丬⺧牛⺨犭⺩王⺪𤴔⺫目⺬示⺭礻⺮𥫗⺯糹"
    "⺰纟⺱罓⺲罒⺳㓁⺴冗⺵𦉫⺶羊⺷𦍌⺸𦍋⺹耂⺺肀⺻聿⺼肉⺽𦥑⺾艹⺿艹⻀艹⻁虎⻂衤⻃覀⻄西⻅见⻆角"
    "⻇𧢲⻈讠⻉贝⻊𧾷⻋车⻌辶⻍辶⻎辶⻏邑⻐钅⻑長⻒镸⻓长⻔门⻕𨸏⻖阝⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食"
    "⻞𩙿⻟飠⻠饣⻡𩠐⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫斉⻬齐⻭歯⻮齿⻯竜⻰龙⻱龜⻲亀⻳龟"
    # NFKC maps these to traditional forms, which Japanese texts do not use.
    "⼾戸⾭青⿈黄⿊黒"
)
_UNIFIED = {
    **_DASHES,
    **dict(zip(map(ord, _RADICALS[::2]), _RADICALS[1::2], strict=True)),
    ord("〜"): "~",
    ord("～"): "~",
    ord("﨑"): "崎",
    ord("髙"): "高",
    # Variation selectors choose one of the shapes of a kanji, as in 葛󠄀城市 and 辻󠄀さん.
    **dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)), ""),
}
# Ranges with all of these characters and a few others. A class of the single characters takes 20
# times as long, because some of them are beyond U+FFFF.
_MAY_BE_UNIFIED = re.compile(
    "[\u2010-\u2015\u2212\u2e80-\u2fdf\u301c\u9ad9\ufa11\ufe00-\ufe0f\uff5e\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True, slots=True)
class SearchKey:
    """A search key. Its character i comes from the original's character `origin[i]`."""

    text: str
    origin: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty half-open span of the key to the half-open span of the original."""
        return self.origin[start], self.origin[end - 1] + 1


def normalize(text: str) -> str:
    """Return the search key without offsets: NFKC, case-folded, dashes and tildes unified.

    Variation selectors are removed. Characters of the private use area (外字) stay as they are.

    >>> normalize("ＡＢＣ①〜②")
    'abc1~2'
    """
    # Most texts have none of these characters, and the search takes a tenth of the translation.
    if _MAY_BE_UNIFIED.search(text):
        text = text.translate(_UNIFIED)
    return unicodedata.normalize("NFKC", text).casefold()


def normalize_with_offsets(text: str) -> SearchKey:
    """Return the search key and the original offset of each of its characters.

    A base character is normalized together with the combining marks and variation selectors after
    it, so that か with a combining voiced sound mark becomes が.
    """
    key: list[str] = []
    origin: list[int] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _joins_previous(text[end]):
            end += 1
        folded = normalize(text[start:end])
        key.append(folded)
        origin.extend([start] * len(folded))
        if folded and end - start > 1:
            origin[-1] = end - 1
        start = end
    return SearchKey("".join(key), tuple(origin))


def _joins_previous(char: str) -> bool:
    return unicodedata.combining(char) != 0 or char in "ﾞﾟ" or _UNIFIED.get(ord(char)) == ""
