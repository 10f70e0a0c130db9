"""Instructions that were not translated, were translated too far, or whose code was.

What is known without any library: English prose by its function words, since English is what instructions are
translated from, and scripts. Both are certain only where there is enough of them, and so little is said of short texts.
"""

import re

import regex

from loanword.corpus import instruction_words as words
from loanword.corpus.shapes import Instruction, Turn, asked
from loanword.writing import script_letters, writing


def untranslated(instruction: Instruction, *, language: str) -> str:
    """A question or a response in another language than the file's, though nothing asks for it.

    What is known: English prose in other languages, another script than the language's, and Chinese questions for a
    translation whose response was translated back. A question that names a language, or holds English prose itself,
    may have its response in it.
    """
    for turn in instruction.turns:
        if not _named_english(language) and _english_question(turn.instruction, language):
            return turn.instruction
        if turn.counted and (found := _foreign_response(turn, language)):
            return found
    return ""


def _named_english(language: str) -> bool:
    return language.split("-")[0] == "en"


def _english_question(text: str, language: str) -> bool:
    home = writing(language).scripts
    prose = _prose(text)
    if "Latin" not in home:
        if any(script in home for script in script_letters(text)):
            return False
        found = [word for word in _latin_words(prose) if word in words.ENGLISH]
        return len(set(found)) >= 2 and len(found) >= 0.15 * len(_latin_words(prose))
    return _english(prose, min_words=5)


def _foreign_response(turn: Turn, language: str) -> str:
    question, home = asked(turn), writing(language).scripts
    translated = words.TRANSLATED_INTO.search(question) if language.startswith("zh") else None
    if translated is not None and _translated_back(turn, str(translated.lastgroup)):
        return translated[0]
    if words.OTHER_LANGUAGE.search(question):
        return ""
    letters, in_question = script_letters(turn.response), script_letters(question)
    other = {script: n for script, n in letters.items() if script not in (*home, "Latin", "Greek", "Unknown")}
    if sum(other.values()) > max(10, 0.5 * sum(letters.values())) and not other.keys() & in_question.keys():
        return turn.response
    if _named_english(language) or _holds_english(question, language):
        return ""
    prose = _prose(turn.response)
    if "Latin" in home:
        return prose if _english(prose, min_words=15) else ""
    if not any(script in home for script in letters):
        return prose if _english(prose, min_words=25 if words.CODE.search(turn.response) else 6) else ""
    runs = re.findall(r"[A-Za-z][A-Za-z0-9'’,;:\-\s().\"“”]*", re.sub(r"[“\"][^“”\"\n]*[”\"]", " ", prose))
    return next((run for run in runs if _english(run, min_words=12)), "")


def _translated_back(turn: Turn, script: str) -> bool:
    letters = script_letters(turn.response)
    wanted = ("Hiragana", "Katakana") if script == "Kana" else (script,)
    return letters.get("Han", 0) >= 2 and not any(letters.get(name, 0) for name in wanted)


def _holds_english(question: str, language: str) -> bool:
    found = _latin_words(question)
    num_english = sum(word in words.ENGLISH for word in found)
    if "Latin" in writing(language).scripts:
        return len(found) >= 5 and num_english >= 0.15 * len(found)
    return num_english > 0


def _english(text: str, *, min_words: int) -> bool:
    found = regex.findall(r"\p{L}+(?:['’]\p{L}+)?", text.lower())
    english = [word for word in found if word in words.ENGLISH]
    return (
        len(found) >= min_words
        and len(english) >= 0.25 * len(found)
        and len(set(english)) >= 2
        and not words.ENGLISH_VERBS.isdisjoint(english)
    )


def _latin_words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


_FENCED = re.compile(r"```.*?(?:```|\Z)|\"\"\".*?\"\"\"|\'\'\'.*?\'\'\'|`[^`\n]*`|https?://\S+", re.DOTALL)
_CODE_LINE = re.compile(
    r"^.*(?:[={}<>;]|\w\(|^[^\S\n]*(?:#|//|\*|/\*|:|import |from |def |class |return\b|for .*:|if .*:|else|SELECT"
    r"|FROM|WHERE|GROUP|ORDER)).*$",
    re.MULTILINE,
)


def _prose(text: str) -> str:
    return _CODE_LINE.sub("", _FENCED.sub(" ", text))


def translated_code(instruction: Instruction, *, language: str) -> str:
    """Code whose keywords were translated with the text around it; known in Chinese."""
    if not language.startswith("zh"):
        return ""
    for turn in instruction.turns:
        if "伪代码" in turn.instruction:
            continue
        for text in (turn.input, turn.response):
            if words.CODE.search(text) and (found := words.CODE_WORDS.search(text)):
                return found[0].strip()
    return ""
