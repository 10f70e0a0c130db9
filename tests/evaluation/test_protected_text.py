import string
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.evaluation.protected_text import alterations, has_words, kept
from loanword.evaluation.text_pieces import halves, pieces, put_together

MARKS = ["`x = 1`", "$a_{1} + b$", "https://a.org/b?c=1", "me@a.org", "{name}", "%s", "<b>", "</0>", "____", "(B)", "①",
         "3.5%", "-7", "1,234,567.8", "2015-10-03", "\\frac{1}{2}", "snake_case",
         "A. ", "```\ncode 7\n```", "( )"]  # fmt: skip
texts = st.lists(
    st.sampled_from(["word", "Mto", "雨落。", " ", " ", "\n", ". ", "? ", "\n\n", *MARKS]) | st.text(max_size=3),
    max_size=25,
).map("".join)


@given(texts)
def test_a_text_keeps_all_that_is_its_own(text: str):
    assert alterations(text, text) == []


@given(texts)
def test_kept_parts_lie_apart_and_in_order(text: str):
    parts = list(kept(text))
    assert all(text[part.start : part.end] == part.text for part in parts)
    assert all(one.end <= other.start for one, other in pairwise(parts))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Call `f(x)` twice", "Ita mara mbili"),
        ("Solve $x^2 = 4$ now", "Tatua $x^2 = 5$ sasa"),
        ("See https://a.org/b1", "Tazama https://a.org/b"),
        ("Mail me@a.org", "Andika"),
        ("Dear {name}", "Mpendwa {jina}"),
        ("Dear {name}", "Mpendwa {name} {name}"),
        ("Dear {0}", "Mpendwa {०}"),
        ("Found %d files", "Faili % d"),
        ("<b>Bold</b> word", "<b>Neno"),
        ("It is ____ .", "Ni ."),
        ("It is ____ .", "Ni ____ ____ ."),
        ("他是（ ）。", "Yeye ni."),
        ("Pick (A) or (B)", "Chagua (A)"),
        ("A. one\nB. two", "A. moja\nmbili"),
        ("① and ②", "① na"),
        ("It is 3.14", "Ni 314"),
        ("It is -5", "Ni 5"),
        ("It is 5%", "Ni 5"),
        ("5 and 5 again", "5 tena"),
        ("Say hello", "Sema {name}"),
        ("Say hello", "```\nSema\n```"),
    ],
)
def test_what_is_lost_or_added_is_named(source: str, said: str):
    assert alterations(source, said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("It is 1,234,567.8 m", "Ni mita 1.234.567,8"),
        ("It is 1,234 m", "Ni mita 1.234"),
        ("It is 10,000 m", "Ni mita 10 000"),
        ("In 1234567 cases", "१२,३४,५६७ मामले"),
        ("It is -5.5", "Ni −5,5"),
        ("It is 3 or 4", "4 au 3"),
        ("On 2015-10-03", "2015年10月3日"),
        ("By 50%", "%50"),
        ("By 50%", "بنسبة ٥٠٪"),
        ("So $x = 5$ holds", "तो $x = ५$"),
        ("The year 1987", "वर्ष १९८७"),
        ("Visit https://a.org/b.", "访问https://a.org/b了解"),
        ("John F. Kennedy", "जॉन एफ कैनेडी"),
        ("It costs $5 and $10", "Inagharimu dola 5 na 10"),
        ("It is \u200f7\u200f", "Ni \u202b7\u202c"),
        ("one is 1,2,3", "1, 2, 3"),
    ],
)
def test_what_is_written_in_another_way_is_kept(source: str, said: str):
    assert alterations(source, said) == []


@given(st.integers(0, 10**9), st.sampled_from(["٠", "०", "০", "૦", "௦", "０"]))
def test_digits_of_every_script_are_equal(number: int, zero: str):
    localised = str(number).translate({ord(digit): chr(ord(zero) + int(digit)) for digit in string.digits})
    assert alterations(f"It is {number} now", localised) == []
    assert alterations(f"It is {number} now", localised[:-1] + chr(ord(zero) + (number + 1) % 10)) != []


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "a_",
        "a@",
        "`",
        "$",
        "$$",
        "\\(",
        "\\begin{a}",
        "{",
        "<a b=",
        "7",
        "7,",
        "% ",
        "http://",
        "\n",
        "a. ",
        "```\n",
        "“",
    ],
)
def test_a_long_row_of_marks_is_read_in_no_time(part: str):
    text = part * (20_000 // len(part))
    began = time.process_time()
    assert alterations(text, text) == []
    pieces(text, 2000)
    assert time.process_time() - began < 8


@pytest.mark.parametrize("text", ["42", "", "x + y = 3", "$x$", "{name}: %s", "A", "____", "3.5 %"])
def test_what_has_no_words_is_not_asked(text: str):
    assert not has_words(text)
    assert not any(piece.asked for piece in pieces(text, 100))


@given(texts, st.integers(1, 60))
def test_pieces_are_the_text_and_what_is_asked_has_words_and_no_space_around_it(text: str, most: int):
    made = pieces(text, most)
    assert "".join(piece.text for piece in made) == text
    assert all(has_words(piece.text) and piece.text == piece.text.strip() for piece in made if piece.asked)
    assert all(halves(piece.text) is None for piece in made if piece.asked and len(piece.text) > most)


def test_fenced_code_and_the_mark_of_an_option_are_never_asked():
    text = "(A) What is it?\n\n```py\nprint('hello there')\n```\nSay it."
    assert [piece.text for piece in pieces(text, 100) if piece.asked] == ["What is it?", "Say it."]
    assert [piece.text for piece in pieces("A line.\n~~~\nno end", 100) if piece.asked] == ["A line."]


def test_sentences_are_parted_as_the_language_that_is_written_parts_them():
    chinese = pieces("雨落在山上。风很大。人走了。", 7)
    asked = [number for number, piece in enumerate(chinese) if piece.asked]
    assert len(asked) == 3
    said = dict(zip(asked, ["It rains.", "Wind.", "Gone."], strict=True))
    assert put_together(chinese, said, spaced=True) == "It rains. Wind. Gone."
    english = pieces("It rains. Wind blows.\nGone.", 10)
    said = {number: "雨。" for number, piece in enumerate(english) if piece.asked}
    assert put_together(english, said, spaced=False) == "雨。雨。\n雨。"


def test_a_cut_lies_where_a_paragraph_ends_rather_than_a_sentence():
    first, second = "One sentence. Another one. ", "And a third. And a fourth."
    assert halves(f"{first.strip()}\n\n{second}") == (f"{first.strip()}\n\n", second)
    assert halves("e.g. this one has no end") is None
    assert halves("It is `a. B. c. D` and $x. Y$ here") is None
