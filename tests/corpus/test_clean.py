"""Cleaning rules change what they are named for, and leave the text of every script alone."""

import gzip
import json
import re
import time
import unicodedata
from pathlib import Path
from typing import get_args

import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loanword.corpus.clean import RULES, Cleaned, cleaner
from loanword.corpus.cleaning import boilerplate, mojibake, repetition, shares, site_words
from loanword.corpus.cleaning.rule import Edit, Removal
from loanword.errors import UserError
from loanword.recipe.text import CleaningConfig, CleaningRule
from loanword.writing import script_letters

EDITS = [name for name, rule in RULES.items() if isinstance(rule, Edit)]
REMOVALS = tuple(name for name, rule in RULES.items() if isinstance(rule, Removal))
IN_ORDER = ("mojibake", "control-characters", "nfc", "full-width-forms", "boilerplate-lines", *REMOVALS)

SENTENCES = {
    "en": "The ferry’s first crossing – delayed by fog – left at 7:45 a.m., didn’t it?",
    "zh": "他说：“明天上午九点，我们在图书馆见面。”（别忘了带书！）《红楼梦》……",
    "zh-Hant": "臺灣的圖書館裡有許多關於農業與氣候的舊報紙，讀者可以免費借閱。",
    "ar": "قالت المعلمة: «اقرؤوا الكتابَ كلَّه قبل يوم الأحد»، ثم خرجت من الصف؟",
    "ur": "انہوں نے کہا کہ کل صبح ہم سب لائبریری میں ملیں گے، کتاب لانا نہ بھولیں۔",
    "fa": "آن‌ها می‌خواهند کتاب‌ها را به خانه ببرند.",
    "hi": "लड़के ने पूछा, “क्या तुम कल विद्यालय आओगे?” उसने कहा—हाँ।",
    "mr": "त्यांनी सर्व दर्‍या पाहिल्या आणि मग ते घरी परतले.",
    "bn": "তিনি বললেন, “র‍্যাপিড নদীতে সাঁতার কাটা কঠিন।” আমরা সবাই শুনলাম।",
    "ta": "அவர் நேற்று மாலை நூலகத்திற்குச் சென்று மூன்று புத்தகங்களை எடுத்தார்.",
    "te": "వాళ్లు సాఫ్ట్‌వేర్ గురించి మాట్లాడుకుంటూ బడికి నడిచి వెళ్లారు.",
    "ml": "അവൻ ന്‍റെ വീട്ടിലേക്ക് മടങ്ങി; മഴ അപ്പോഴും തോർന്നിരുന്നില്ല.",
    "gu": "તેણે કહ્યું કે આવતી કાલે સવારે આપણે નદી કિનારે મળીશું.",
    "vi": "Đã bảy giờ tối mà những người thợ ấy vẫn chưa ăn uống gì cả, ‘đói lắm rồi!’",
    "sw": "Watoto walikwenda shuleni asubuhi, lakini mwalimu hakuwepo.",
    "th": "ภาษา\u200bไทย\u200bไม่มีช่องว่างระหว่างคำ",
    "fr": "« Où est l’œuvre de Noël ? » demanda-t-elle, déçue à Pâques.",
    "ru": "Он сказал: «Всё это — правда», и вышел из комнаты № 5.",
    "emoji": "We won the cup 👨‍👩‍👧 ❤️‍🔥 🏳️‍🌈 at last, after eleven long years of waiting!",
}


def cleaned(rule: str, text: str, language: str = "und") -> Cleaned:
    return cleaner(CleaningConfig.model_validate({"rules": (rule,)}), language)(text)


def edited(rule: str, text: str, language: str = "und") -> str:
    made = cleaned(rule, text, language)
    assert made.removed_by is None
    assert made.changed_by == ((rule,) if made.text != text else ())
    return made.text


def lines_of(shared_data: Path, language: str) -> list[str]:
    path = shared_data / "parallel" / "flores200-devtest" / f"{language}.txt"
    return path.read_text(encoding="utf-8").splitlines()


def languages_of(shared_data: Path) -> list[str]:
    return sorted(path.stem for path in (shared_data / "parallel" / "flores200-devtest").glob("*.txt"))


def test_every_rule_that_can_be_named_is_there_under_its_name():
    assert set(get_args(CleaningRule)) == set(RULES)
    assert all(rule.name == name for name, rule in RULES.items())


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("rule", [name for name in EDITS if name != "simplified-characters"])
def test_no_rule_changes_good_text_of_any_script(rule: str, language: str):
    assert edited(rule, SENTENCES[language]) == unicodedata.normalize("NFC", SENTENCES[language])


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("rule", REMOVALS)
def test_no_rule_removes_good_text_of_any_script(rule: str, language: str):
    assert cleaned(rule, SENTENCES[language], language if language != "emoji" else "en").removed_by is None


@pytest.mark.parametrize(
    ("rule", "text", "becomes"),
    [
        ("nfc", "cafe\u0301 한", "café 한"),
        ("nfc", "তিনি ব\u09dc", "তিনি ব\u09a1\u09bc"),
        ("control-characters", "\ufeffone\r\ntwo\rthree\u2028four\x0cfive\x85six", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("control-characters", "a\x00b\x1b[0m\x7f\x9bc\td", "ab[0mc\td"),
        ("control-characters", "hy\u00adphen ze\u200bro jo\u200din no\u200cn \u2060\u2063", "hyphen zero join non "),
        ("control-characters", "\u200f\u202bمرحبا\u202c\u2067 b\u2069\u061c", "مرحبا b"),
        ("control-characters", "ക\u200d\u200d മ\u200c\u200c", "ക\u200d മ\u200c"),
        ("control-characters", "中\u200b文\ufffc\ufffe", "中文"),
        ("full-width-forms", "ＡＢＣ－ｘｙｚ　２０２３年，３．１４％", "ABC－xyz　2023年，3.14％"),
        ("full-width-forms", "乔治．华盛顿（Ａ）：１！", "乔治．华盛顿（A）：1！"),
        (
            "simplified-characters",
            "臺灣的圖書館屬於倫敦，乾隆皇帝說：「發現頭髮」",
            "台湾的图书馆属于伦敦，乾隆皇帝说：「发现头发」",
        ),
    ],
)
def test_a_rule_of_characters_changes_what_it_is_named_for(rule: str, text: str, becomes: str):
    assert edited(rule, text, "zh") == becomes


@pytest.mark.parametrize("encoding", ["latin-1", "sloppy-windows-1252", "mac_roman"])
def test_text_of_every_script_that_was_read_in_a_wrong_encoding_is_read_again(encoding: str):
    for language, sentence in SENTENCES.items():
        if not sentence.isascii() and language not in ("fr", "en"):
            broken = sentence.encode().decode(encoding)
            assert edited("mojibake", f"{sentence}\n{broken}\nplain") == f"{sentence}\n{sentence}\nplain"


def test_quotes_ligatures_entities_and_widths_are_no_mojibake():
    text = "“curly” ‘quotes’ ﬁt &amp; Ｗide … AT&T® © ½ 20°C §5 €3 £2 naïve Ÿ"
    assert edited("mojibake", text) == text


_MADE_OF = [char for char in map(chr, range(0x2700)) if re.match(f"[{''.join(MOJIBAKE_CATEGORIES.values())}]", char)]
_LIKELY = list("aÃÂâ€™œŠ\x9dÐŸ×²à¤•вЂ”Г¶‚Äì√±Ø§Ù„“”é° \n°╬òĐãÀ")


@settings(max_examples=400)
@given(st.text(alphabet=st.sampled_from(_MADE_OF) | st.sampled_from(_LIKELY), max_size=6))
def test_the_quick_look_for_mojibake_misses_nothing_that_ftfy_finds(text: str):
    assert not is_bad(text) or mojibake.suspect_pairs(MOJIBAKE_CATEGORIES).search(text)


BOILERPLATE = [
    "Skip to main content",
    "Read more »",
    "[ Log in ]",
    "  Privacy Policy  ",
    "Home > Products > Garden shoes",
    "首页 > 新闻 > 国际",
    "Home | About | Team | Contact",
    "News • Sport • Weather • Travel",
    "返回顶部",
    "閱讀更多",
    "Baca selengkapnya",
    "Trang chủ › Tin tức › Thể thao",
    "और पढ़ें",
    "اقرأ المزيد",
    "第 3 页 / 共 12 页",
    "Share on: Facebook, Twitter, WhatsApp",
    "分享到：微信 微博",
    "Copyright © 2019–2023 Example Press. All rights reserved.",
    "© 2021 某某公司 版权所有",
    "جميع الحقوق محفوظة © 2020",
    "This website uses cookies to improve your experience. By continuing you agree.",
    "We use cookies and similar technologies on this site.",
    "本网站使用Cookie来改善您的体验。",
    "[[Category:1940 births]]",
    "[[വർഗ്ഗം:മേനോന്മാർ]]",
    "ઢાંચો:Portalbox",
    "{{stub}}",
    "__NOTOC__",
    '&lt;templatestyles src="Reflist/styles.css" /&gt;',
    "&lt;onlyinclude&gt;",
    "[edit | edit source]",
    "[编辑]",
    "Lua error in package.lua at line 80: module 'Module:Portal' not found.",
    "formula_12",
    "https://example.org/a/b?c=d",
    "9333EA?style=for-the-badge&labelColor=E5E7EB)",
    "* License: [CC-BY]",
    "##",
    "•",
]


@pytest.mark.parametrize("line", BOILERPLATE)
def test_a_line_around_the_text_goes_and_the_text_stays(line: str):
    assert edited("boilerplate-lines", f"First line.\n{line}\nLast line.") == "First line.\nLast line."


@pytest.mark.parametrize(
    "line",
    [
        "“Read more books,” said the teacher.",
        "- Log in",
        "1. Log in to your account and read more about it.",
        "夏尔·维克图瓦·埃马纽埃尔·勒克莱尔",
        "She shared it on Facebook and Twitter.",
        "We use cookies to decorate the cake.",
        "The home team won, and the crowd went home.",
        "He opened File > Save and closed the window.",
        "if a > b > c or x | y | z:",
        "| a | b | c | d |",
        "{",
        "}",
        "---",
        "# Heading",
        "(c) 1990 people lived there in 1990",
        "The 1976 copyright act was debated for years.",
        "The category: mammals. The order: primates.",
        "वर्ग: स्तनधारी, गण: नरवानर",
        "References to older work are given in the text.",
        "Notes and coins were exchanged at the border.",
        "他在首页上写道：“关于我们的未来。”",
        "See https://example.org for more.",
        "a = b ? c : d && e",
        "X | X",
        "“……”",
        "* Text and pictures",
        "2H2 + O2 → 2H2O",
    ],
)
def test_a_line_of_the_text_is_no_boilerplate(line: str):
    text = f"First line.\n\n{line}\nLast line."
    assert edited("boilerplate-lines", text) == text


def test_headings_of_sections_that_end_up_empty_go_from_the_end_alone():
    text = "Title\n\nReferences.\nOne, two.\n\nSee also.\n[[Category:Trees]]\n\nExternal links.\n"
    assert edited("boilerplate-lines", text) == "Title\n\nReferences.\nOne, two."
    assert edited("boilerplate-lines", "महात्मा\n\nसन्दर्भ\n") == "महात्मा"
    assert edited("boilerplate-lines", "Title\n\n\n") == "Title\n\n\n"


def test_the_words_of_sites_are_spelled_in_one_script_and_in_normal_form():
    alternatives = "|".join(
        (site_words.HOME, site_words.RIGHTS, site_words.NETWORKS, site_words.CATEGORY, site_words.EDIT)
    )
    words = {*alternatives.split("|"), *site_words.SITE_LINES, *site_words.EMPTY_SECTIONS} - {"qq空间"}
    assert [word for word in words if len(script_letters(word)) > 1] == []
    assert [word for word in words if word != unicodedata.normalize("NFC", word).strip().casefold() or not word] == []


@pytest.mark.parametrize(
    ("rule", "text", "because"),
    [
        ("symbols", "a = {b: [c | d]} # <e> & *f* ~ ^g", "symbols"),
        ("symbols", "目录 ........................ 12", "symbols"),
        ("symbols", "🎉🎉🎉 hi", "symbols"),
        ("digits", "1 234 567,89 · 2020-01-02 · 17", "digits"),
        ("digits", "२०२१ १२३४५६ वर्ष", "digits"),
        ("digits", "٢٠٢١ ١٢٣٤٥٦ سنة", "digits"),
        ("digits", "2014年\n2015年\n2016年", "digits"),
        ("repeated-lines", "one\ntwo\none\nthree\n two \n", "lines"),
        ("repeated-lines", "第一\n##\n第二\n##\n第一", "lines"),
        ("repeated-ngrams", "buy the best cheap shoes in town today from us now! " * 3, "10-grams"),
        ("repeated-ngrams", "本店出售最好的鞋子，价格便宜。" * 3, "10-grams"),
        ("repeated-ngrams", "यह दुकान शहर में सबसे अच्छे और सस्ते जूते रोज़ बेचती है। " * 3, "10-grams"),
    ],
)
def test_a_document_of_what_a_rule_is_named_for_is_removed_with_the_share(rule: str, text: str, because: str):
    made = cleaned(rule, text)
    assert (made.removed_by, made.text, made.changed_by) == (rule, text, ())
    assert re.fullmatch(r"0\.\d\d of it .*", made.because) and because in made.because


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("symbols", "He paid $5 (about €4.60) for it & left."),
        ("symbols", "स्त्री ने कहा: “क्या?” — हाँ।। ॥ १ ॥"),
        ("symbols", "நூலகத்திற்குச் சென்று, புத்தகங்களை எடுத்தார்!"),
        ("digits", "第12届运动会于2002年在北京举行，共有35个代表团参加。"),
        ("digits", "In 1969 and 1972 they flew to the moon."),
        ("repeated-lines", "##\nOne day.\n##\nThe next day.\n##\nAnd the next.\n##"),
        ("repeated-lines", ""),
        ("repeated-ngrams", "the cat and the dog and the cat and the bird and the cat and the fish"),
        ("repeated-ngrams", "他来了，他走了，他又来了，他又走了。"),
        ("repeated-ngrams", " \n\t"),
    ],
)
def test_a_document_with_a_little_of_it_stays(rule: str, text: str):
    assert cleaned(rule, text) == Cleaned(text, None, ())


def test_a_threshold_says_where_a_document_goes():
    for limit, removed_by in ((0.29, "digits"), (0.3, None)):
        config = CleaningConfig(rules=("digits",), max_digit_share=limit)
        assert cleaner(config, "en")("abc 12 defg 3").removed_by == removed_by


@given(st.text(alphabet="a1#~`\t\r\n\x0b\x0c\x7f{}[]\\-_%(", max_size=20))
def test_symbols_of_ascii_are_those_of_every_text(text: str):
    assert shares._ASCII_SYMBOLS.findall(text) == shares._SYMBOLS.findall(text)


def _repeated_by_hand(text: str, n: int) -> float:
    words = re.findall(r"[\u0e00-\u0eff\u2e80-\u9fff]|[^\s\u0e00-\u0eff\u2e80-\u9fff]+", text)
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for start in range(len(words) - n + 1):
        ngram = tuple(words[start : start + n])
        if ngram in seen:
            covered.update(range(start, start + n))
        seen.add(ngram)
    return sum(len(words[place]) for place in covered) / max(1, sum(map(len, words)))


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["a ", "bb ", "a bb a bb a bb ", "语", "语言 ", "ภา", "\n", "xyz"]), max_size=60))
def test_repeated_ngrams_are_those_counted_by_hand(parts: list[str]):
    text = "".join(parts)
    assert repetition.repeated_ngram_share(text) == pytest.approx(_repeated_by_hand(text, repetition.NGRAM_WORDS))


def test_a_long_text_is_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch):
    text = "".join(f"word{number} " for number in range(300))
    monkeypatch.setattr(repetition, "PART_CHARACTERS", len(text))
    assert repetition.repeated_ngram_share(text * 2) == 0.0
    monkeypatch.setattr(repetition, "PART_CHARACTERS", 2 * len(text))
    assert repetition.repeated_ngram_share(text * 2) == pytest.approx(0.5, abs=0.01)


TRICKY = st.text(
    alphabet="aA1é\u0301Ãâ€™\x92\r\n\t\u2028\u200b\u200c\u200d\u00ad\ufeff\u200fक\u094d್ംകമ한\u1100\u1161"
    "中臺於倫敦苧薴Ａ１．｜•:© 👩\ufe0f🔥#",
    max_size=14,
)


@pytest.mark.parametrize("rule", EDITS)
@given(
    text=TRICKY, lines=st.lists(st.sampled_from([*BOILERPLATE, "A line.", "", "References", "See also."]), max_size=4)
)
@settings(max_examples=60)
def test_cleaning_twice_by_a_rule_is_cleaning_once(rule: str, text: str, lines: list[str]):
    clean = cleaner(CleaningConfig.model_validate({"rules": (rule,)}), "zh")
    once = clean("\n".join([text, *lines])).text
    assert clean(once).text == once


def test_rules_act_in_the_order_in_which_they_are_written():
    text = "##\nOne.\n##\nTwo.\n２０２１２０２２２０２３\nＡＢ"
    first = cleaner(CleaningConfig(rules=("full-width-forms", "boilerplate-lines", "digits")), "zh")(text)
    assert first == Cleaned("One.\nTwo.\n202120222023\nAB", "digits", ("full-width-forms", "boilerplate-lines"),
                            "0.55 of it digits")  # fmt: skip
    other = cleaner(CleaningConfig(rules=("digits", "boilerplate-lines", "full-width-forms")), "zh")(text)
    assert other == Cleaned(text, "digits", (), first.because.replace("0.55", "0.46"))


def test_no_rules_change_nothing():
    assert cleaner(CleaningConfig(), "en")("a\x00\r\n") == Cleaned("a\x00\r\n", None, ())


def test_simplifying_text_of_another_language_is_refused():
    with pytest.raises(UserError, match="damage") as caught:
        cleaner(CleaningConfig(rules=("simplified-characters",)), "ja")
    assert "'ja'" in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (("nfc", "digits", "nfc"), "nfc stands there twice"),
        (("control-characters", "mojibake"), "mojibake stands before"),
    ],
)
def test_rules_that_cannot_act_together_are_refused(rules: tuple[str, ...], problem: str):
    with pytest.raises(ValidationError, match=problem):
        CleaningConfig.model_validate({"rules": rules})


def test_sentences_of_fifteen_languages_pass_every_removal(shared_data: Path):
    for language in languages_of(shared_data):
        clean = cleaner(CleaningConfig.model_validate({"rules": REMOVALS}), language)
        assert [made for line in lines_of(shared_data, language) if (made := clean(line)).removed_by] == []


def test_correct_sentences_of_fifteen_languages_are_no_mojibake(shared_data: Path):
    for language in languages_of(shared_data):
        changed = [line for line in lines_of(shared_data, language) if edited("mojibake", line) != line]
        # The Indonesian file was itself read wrongly in places ("KlÃ¶cker").
        assert all(re.search("Ã.|â€|Å.|Ä.|Â", line) for line in changed)
        assert len(changed) == (31 if language == "id" else 0)


def test_real_documents_are_cleaned_once_and_for_all(shared_data: Path):
    changed_by: set[str] = set()
    for language in ("zh", "ml", "te"):
        config = CleaningConfig.model_validate({"rules": IN_ORDER})
        clean = cleaner(config, language)
        with gzip.open(shared_data / "text" / f"{language}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line, _ in zip(file, range(60), strict=False)]
        once = [clean(text) for text in texts]
        changed_by.update(*(made.changed_by for made in once))
        assert all(clean(made.text)[:3] == (made.text, made.removed_by, ()) for made in once)
    assert {"control-characters", "boilerplate-lines"} <= changed_by


def test_boilerplate_is_found_without_regard_to_the_length_of_the_text():
    text = "\n".join(["A sentence of the text."] * 3000 + ["Read more"])
    assert boilerplate.without_boilerplate(text) == text.removesuffix("\nRead more")


def test_a_line_that_is_nearly_a_row_of_links_is_looked_at_in_no_time():
    lines = ["a | " * k + "a." for k in range(60, 70)]
    began = time.process_time()
    assert boilerplate.without_boilerplate("\n".join(lines)) == "\n".join(lines)
    assert time.process_time() - began < 1
    assert boilerplate.without_boilerplate("News | About us | Our team | Contact\nText.") == "Text."
