"""The rule against boilerplate: lines that a site or a wiki wrote around a text go, the text stays.

Most of what it looks for is a shape: paths and rows of links, addresses alone, markup alone, notices. The words that
it knows stand in `site_words`. A line that reads like a sentence stays, unless it is a notice about cookies.
"""

import re
from collections.abc import Sequence

from loanword.corpus.cleaning.rule import Edit
from loanword.corpus.cleaning.site_words import CATEGORY, EDIT, EMPTY_SECTIONS, HOME, NETWORKS, RIGHTS, SITE_LINES

_LONGEST_LINE = 300
# What stands around a site's words and a heading's. Marks of lists stay: "- Log in" is a step of an instruction.
_SITE_EDGES = " \t\xa0.:：…>»›→←«‹<|·[]()【】"
_HEADING_EDGES = " \t\xa0.:：#=*"

_SHAPE = re.compile(
    # Of a wiki: links to categories and files, templates, magic words, tags, errors, formulas left out.
    r"\[\[[^\[\]|]*:[^\[\]]*\]\]|\{\{[^{}]*\}\}|__[a-z]{3,}__|lua error in .*|formula_\d+"
    rf"|(?:{CATEGORY}):\S.{{0,60}}"
    r"|(?:&lt;|<)/?(?:templatestyles|onlyinclude|noinclude|includeonly|references|ref|gallery|nowiki|br)\b"
    r".{0,80}?/?(?:&gt;|>)"
    rf"|\[ ?(?:{EDIT})(?: ?\| ?(?:{EDIT}))? ?\]"
    # Places in a row of pages.
    r"|page \d+ of \d+|第 ?\d+ ?[页頁](?:[,，/ ]*共 ?\d+ ?[页頁])?"
    # Sharing: networks and nothing else but a word or two.
    r"|(?:share(?: this)?(?: on| to| via)?|tweet|follow us on|分享到|分享至|关注我们)?[ :：]*"
    rf"(?:{NETWORKS})(?:[ ,，、|/·•&]+(?:{NETWORKS}))+"
    rf"|(?:share|tweet|pin it)(?:[ ,|/·•]+(?:share|tweet|pin it|email|print|{NETWORKS}))+"
    # Addresses alone.
    r"|[*\-•]? ?<?(?:https?://|www\.)\S+>?"
    # Licences, makers and language of a published text, as its publisher lists them.
    r"|\* (?:license|licence|language|text|illustration|translation|photographs?|photos): .{1,200}"
    # Marks of headings and lists without anything behind them.
    r"|#{2,}|[•●▪■◦‣·]"
)
_QUERY = re.compile(r"\S*\?\w+=\S*&\w+=\S*")

# Rows and paths of links: a few short labels without a sentence's marks. A label ends before a space, so that a row can
# be divided into labels in one way only: what is none would be tried in all of them.
_SIGNS = r"|•·›»>。！？.!?:：;=(){}\[\]<>"
_LABEL = rf"[^\s{_SIGNS}](?:[^{_SIGNS}]{{0,23}}[^\s{_SIGNS}])?"
_ROW_SIGN = re.compile("[|•·›»>]")
_ROW = re.compile(
    rf"{_LABEL}(?:(?: ?[|•] ?| · ){_LABEL}){{3,}}"
    rf"|(?:{HOME})(?:(?: ?[>›»] ?| \| ){_LABEL})+|{_LABEL}(?: [›»] {_LABEL}){{2,}}"
)

_NOTICE_WORDS = ("©", "copyright", *RIGHTS.split("|"))
_YEAR = r"(?:19|20)\d\d\b"
_NOTICE = re.compile(
    rf"(?:copyright\W+(?:\(c\) ?)?{_YEAR}[^.]{{0,80}}\.?|.{{0,80}}(?:©|copyright \(c\)) ?{_YEAR}.{{0,80}}"
    rf"|(?:{RIGHTS}).{{0,40}}|(?=.*(?:©|{_YEAR})).{{0,80}}(?:{RIGHTS}).{{0,40}})$"
)
_COOKIE_WORDS = ("cookie", "कुकी")
_COOKIES = re.compile(
    r"(?:this (?:web)?site|our (?:web)?site|situs(?: web)? ini|(?:trang )?web(?:site)? này|本网站|本網站|本站"
    r"|यह (?:वेबसाइट|साइट))"
    r".{0,40}(?:use|menggunakan|sử dụng|使用|उपयोग|इस्तेमाल).{0,40}(?:cookie|कुकी)"
    r"|(?=.*(?:site|browser|consent|accept|privacy|personali[sz]e|analy))we(?: and our partners)? (?:also )?use cookies"
)


def without_boilerplate(text: str) -> str:
    """The text without lines that are a site's or a wiki's own, and without headings of sections that end up empty.

    What is left is as it was; a text without such lines is returned as it is.
    """
    folded = text.casefold()  # which moves no end of line, and lets every pattern do without regard to case
    notices = [pattern for words, pattern in ((_NOTICE_WORDS, _NOTICE), (_COOKIE_WORDS, _COOKIES))
               if any(word in folded for word in words)]  # fmt: skip
    lines, folded_lines = text.split("\n"), folded.split("\n")
    kept = [place for place, line in enumerate(folded_lines) if not _is_boilerplate(line, notices)]
    end = len(kept)
    while end and _ends_nothing(folded_lines[kept[end - 1]]):
        end -= 1
    if any(lines[place].strip() for place in kept[end:]):
        kept = kept[:end]
    return text if len(kept) == len(lines) else "\n".join(lines[place] for place in kept)


def _is_boilerplate(line: str, notices: Sequence[re.Pattern[str]]) -> bool:
    if not line or len(line) > _LONGEST_LINE:
        return False
    line = line.strip()
    if line.strip(_SITE_EDGES) in SITE_LINES or _SHAPE.fullmatch(line):
        return True
    if _ROW_SIGN.search(line) and _ROW.fullmatch(line):
        return True
    if "&" in line and _QUERY.fullmatch(line):
        return True
    return any(pattern.match(line) for pattern in notices)


def _ends_nothing(line: str) -> bool:
    line = line.strip()
    return not line or line.strip(_HEADING_EDGES) in EMPTY_SECTIONS


BOILERPLATE_LINES = Edit("boilerplate-lines", lambda: without_boilerplate)
