"""A cited sentence and its passage → whether the passage says the same, or contradicts it.

Shared words do not show that two texts agree: できる and できない share most of theirs. So what a
reader would act on is compared by value: numbers with their units, dates, times, codes, bounds
like 以上, negation, and words that are each other's opposite.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.quantities import Quantity, quantities
from langchain_swallow.text.sentences import sentence_spans

_CLAUSE = re.compile(r"(?<=[、,，;；])(?![0-9])|\n")
_CLAUSE_END = re.compile(r"[、。,;\n]|が(?=、)")
_LIST_MARK = re.compile(r"^\s*(?:[0-9]{1,2}[.)]\s|[-*・●○■□]\s*)")
_CONTENT = re.compile(r"[一-龯々ァ-ヶー]+|[a-z]+")

# A negation that says no "not": obligation, guess, emphasis, and words that only look like one.
_NOT_NEGATIONS = re.compile(
    r"[0-9一-九十百千万億][^\s、。]{0,6}(?:超え|下回)(?:ら?ない|ら?ず|ません|りません"
    r"|っ?ては(?:なら|いけ)(?:な[いくか]|ず|ません)|ることは?(?:でき)?(?:な[いくか]|ません))"
    r"|\b(?:no|not) (?:more|less|fewer|later|earlier) than\b|\bnot only\b"
    r"|な(?:けれ|くて)ばなら(?:な[いくか]|ぬ|ず|ません)|な(?:けれ|くて)ばいけ(?:な[いくか]|ません)"
    r"|なくては(?:なら|いけ)(?:な[いくか]|ません)|ねばなら(?:な[いくか]|ぬ|ず|ません)"
    r"|ないと(?:なら|いけ)(?:な[いくか]|ません)|ざるを得(?:な[いくか]|ず|ません)"
    r"|かもしれ(?:な[いくか]|ません)|に(?:違い|ちがい)(?:な[いくか]|ありません)"
    r"|にほかなら(?:な[いくか]|ず|ません)|だけ(?:で(?:は)?)?なく|のみなら(?:ず|なく)"
    r"|に(?:過ぎ|すぎ)(?:な[いくか]|ず|ません)|やむを得(?:な[いくか]|ず|ません)"
    r"|(?:差し支え|さしつかえ|問題|支障)(?:は|が|も)?(?:な[いくか]|ありません|ございません)"
    r"|(?:構|かま)(?:わな[いくか]|いません)|しか(?=[^。、]{1,15}(?:な[いくか]|ません))[^。、]{1,15}(?:な[いくか]|ません)"
    r"|を問わ(?:ず|ない)|間(?:も|違い)なく|まもなく|遅滞なく|滞りなく|もれなく|漏れなく|例外なく|限りなく"
    r"|少な[いくか]|危な[いくか]|切な[いくか]|幼な[いくか]|つまらな[いくか]|もったいな[いくか]"
    r"|必ず|まず|先ず|はず|いずれ|わずか|未満|未来|未明|未成年|未然|非常|非難|不動産|不思議|不正|不良|不安|不満"
    r"|無線|無論|無理|無数|時間外"
)
_NEGATION = re.compile(
    r"な(?:い|かった|く(?!な)|くな|けれ|し(?=$|[。、）)\s]))|ません|(?<=[^\W\d_])ず(?=に|、|。|とも|$)|ぬ(?=$|[。、]|もの|者)"
    r"|不(?=[一-龯])|無(?=[一-龯])|^無$|(?<=[:、\s])無(?=$|[。、\s])|非(?=[一-龯])|未(?=[一-龯])"
    r"|禁止|禁じ|禁ず|厳禁|禁煙|お断り|対象外|適用外|範囲外|圏外|除外|除[くきい]|以外"
    r"|\b(?:not|no|never|cannot|without|none|neither|nor|prohibited|forbidden)\b|n't\b"
)
# Words alone, like 北海道 or 40日から50日前後, affirm nothing that could be negated.
_SAYS_SOMETHING = re.compile(
    r"[はがをも]|(?:[るたすうくむいだ]|です|ます|[可否有無要]|可能|必要|禁止|対象|有効|[有無]料|任意|必須)。?$"
    r"|[a-z] "
)
_OPPOSITES = tuple(
    tuple(pair.split("/"))
    for pair in (
        "増/減 上昇/下降 上昇/低下 上昇/下落 向上/低下 上げ/下げ 上が/下が 高い/低い "
        "黒字/赤字 賛成/反対 可決/否決 承認/却下 許可/禁止 必須/任意 開始/終了 上限/下限 "
        "最大/最小 最高/最低 出席/欠席 参加/欠席 成功/失敗 入社/退社 採用/解雇 就職/退職 "
        "平日/休日 平日/土日 全員/一部 全社員/一部 全従/一部 全職/一部 全製/一部 全商/一部 "
        "全店/一部 全学/一部 全額/一部 全面/一部 税込/税抜 税込/税別 内税/外税 送料込/送料別 "
        "すべて/一部 全て/一部 全部/一部 北側/南側 東側/西側 右側/左側 屋内/屋外 国内/海外 "
        "加算/減算 延長/短縮 拡大/縮小 increase/decrease before/after maximum/minimum"
    ).split()
)

# A row of a table, as the readers write it: 品名: 机、価格: 9,000円.
ROW = re.compile(r"[^、:：]{1,30}[:：]\s")
_BEFORE_OR_AFTER = re.compile("(?<=([一-龯の]))[前後]")


def agrees(claim: str, passage: str, quoted: tuple[int, int], context: str = "") -> bool:
    """Whether a claim says nothing that its passage contradicts.

    Every number, date, time and code of each clause must be in one sentence (or table row) of the
    passage, with the same unit and no opposite bound, and no other sentence may have more of the
    clause's words with another value of that unit. Negation and opposites are compared with the
    words of the passage that the claim matches, to the end of their clause.

    Args:
        claim: A sentence of the answer.
        passage: The text of the passage that it cites.
        quoted: The half-open span of the passage that the claim matches best.
        context: Words that belong to every sentence of the passage, such as its headings.
    """
    claim = _LIST_MARK.sub("", claim)
    sentences = [normalize(text) for text in _sentences(passage)]
    at_quote = normalize(passage[slice(*_sentence_around(passage, quoted))])
    context = normalize(context)
    clauses = [normalize(part) for part in _CLAUSE.split(claim) if part.strip()]
    return all(
        _quantities_agree(clause, at_quote, sentences, context) for clause in clauses
    ) and _polarity_agrees(normalize(claim), _without_other_cells(normalize(claim), at_quote))


def _sentences(passage: str) -> Iterator[str]:
    for start, end in sentence_spans(passage):
        yield from filter(str.strip, passage[start:end].split("\n"))


def _sentence_around(passage: str, quoted: tuple[int, int]) -> tuple[int, int]:
    """The sentences in which a quote begins and ends, and all between; a line is a sentence."""
    start, end = quoted
    spans = sentence_spans(passage)
    first = next((s for s, e in spans if s <= start < e), 0)
    last = next((e for s, e in spans if s < end <= e), len(passage))
    line = passage.rfind("\n", first, start) + 1
    line_end = passage.find("\n", end, last)
    return max(first, line), last if line_end < 0 else line_end


def _quantities_agree(clause: str, at_quote: str, sentences: list[str], context: str) -> bool:
    wanted = quantities(clause)
    if not wanted:
        return True
    of_context = quantities(context)
    having = [s for s in (at_quote, *sentences) if has_all(quantities(s) + of_context, wanted)]
    if not having:
        return False
    content = content_pairs(clause)
    parts = [part for sentence in sentences for part in _CLAUSE.split(sentence)]
    # 東京は30人、大阪は50人: one sentence has both, and each clause its own.
    return all(_is_nearest(content, wanted, texts, context) for texts in (sentences, parts))


def _is_nearest(content: set[str], wanted: list[Quantity], texts: list[str], context: str) -> bool:
    """Whether no text with other values shares more of the words than one with these."""
    if not content:
        return True
    found = {text: quantities(text) for text in texts}
    of_context = quantities(context)
    having = [text for text in texts if has_all(found[text] + of_context, wanted)]
    best = max((measure_share(content, text + context) for text in having), default=1.0)
    rivals = (t for t in texts if t not in having and _has_rival(found[t], wanted))
    return all(measure_share(content, rival + context) <= best for rival in rivals)


def has_all(found: list[Quantity], wanted: Iterable[Quantity]) -> bool:
    """Whether each of the quantities agrees with one that was found."""
    return all(any(one.agrees_with(other) for other in found) for one in wanted)


def _has_rival(found: list[Quantity], wanted: Iterable[Quantity]) -> bool:
    """Whether one of the same unit has another value."""
    return any(
        one.kind == other.kind and one.unit == other.unit and not one.agrees_with(other)
        for one in wanted
        for other in found
    )


def content_pairs(text: str) -> set[str]:
    """Pairs of characters of the words that carry meaning, without numbers and their units."""
    return {run[i : i + 2] for run in _CONTENT.findall(text) for i in range(max(1, len(run) - 1))}


def measure_share(content: set[str], text: str) -> float:
    """The share of pairs of characters that are in a text."""
    return sum(pair in text for pair in content) / len(content)


def _without_other_cells(claim: str, row: str) -> str:
    """The cells of a row that a claim has most of; what other cells deny, it does not."""
    if not ROW.match(row):
        return row
    cells = [cell for cell in row.split("、") if _has_most(claim, cell.rpartition(": ")[2])]
    return "、".join(cells) or row


def _has_most(claim: str, cell: str) -> bool:
    matcher = SequenceMatcher(None, claim, cell, autojunk=False)
    return matcher.find_longest_match().size * 2 >= len(cell)


def _polarity_agrees(claim: str, sentence: str) -> bool:
    if not _SAYS_SOMETHING.search(claim):
        return True
    start, end = _window(claim, sentence)
    if _negations(claim) % 2 != _negations(sentence[start:end]) % 2:
        return False
    # 上限 and 下限 share a character, so that the words which both have may begin inside one.
    start = max((mark.end() for mark in _CLAUSE_END.finditer(sentence, 0, start)), default=0)
    clauses = sentence[start:end]
    return not any(
        (one in claim) != (one in clauses)
        and (other in claim) != (other in clauses)
        and (one in claim) != (other in claim)
        for one, other in (*_OPPOSITES, *_befores_and_afters(claim))
    )


def _befores_and_afters(claim: str) -> Iterator[tuple[str, str]]:
    """3日前 is the opposite of 3日後, as 食前 is of 食後, and 前年 of nothing."""
    for match in _BEFORE_OR_AFTER.finditer(claim):
        yield f"{match[1]}前", f"{match[1]}後"


def _window(claim: str, sentence: str) -> tuple[int, int]:
    """What of a sentence a claim is about: from the first words that both have to the end of the
    clause after the last.
    """
    matcher = SequenceMatcher(None, claim, sentence, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size >= 2]
    if not blocks:
        return 0, len(sentence)
    start, end = blocks[0].b, blocks[-1].b + blocks[-1].size
    clause_end = _CLAUSE_END.search(sentence, end)
    return start, clause_end.start() if clause_end else len(sentence)


def _negations(text: str) -> int:
    return len(_NEGATION.findall(_NOT_NEGATIONS.sub("", text)))
