"""Pass rates as the Language Confusion Benchmark defines them."""

import string

import pytest
from simplemma import is_known

from loanword.evaluation.switching.lines import line_rates

ENGLISH = "The weather is very nice today and we should go out."
HINDI = "आज मौसम बहुत अच्छा है और हमें बाहर जाना चाहिए।"
MARATHI = "आज हवामान खूप छान आहे आणि आपण बाहेर जायला हवे."
INDONESIAN = "Hari ini cuaca sangat bagus dan kita harus pergi keluar."
ARABIC = "هذا هو الجواب الصحيح للسؤال الذي طرحته."
CHINESE = "今天的天气非常好，我们应该一起出去走走。"


@pytest.mark.parametrize(
    ("language", "text", "passes"),
    [
        ("en", ENGLISH, (True, None)),
        ("id", INDONESIAN, (True, None)),
        ("hi", HINDI, (True, True)),
        ("zh", CHINESE, (True, True)),
        ("hi", f"{HINDI}\n{MARATHI}", (False, None)),
        ("hi", f"{HINDI}\n{ENGLISH}", (False, None)),
        ("zh", ENGLISH, (False, None)),
        ("id", f"{INDONESIAN}\n{ENGLISH}", (False, None)),
        ("hi", f"{HINDI} however", (True, False)),
        ("hi", f"{HINDI} the MAINTAIN However", (True, True)),
        ("zh", f"{CHINESE}however", (True, False)),
        ("hi", f"{HINDI}\nIt is so.", (True, True)),
        ("hi", "हाँ, यह सही है", (None, None)),
        ("zh", "是的，没错。", (None, None)),
        ("tlh", ENGLISH, (None, None)),
        ("en", "", (None, None)),
        ("en", "1 2 3 4 5 6 7 8", (None, None)),
        ("hi", "| 1 | 2 | 3 | 4 | 5 |", (None, None)),
        ("ar", f"{ARABIC}\n12345 678 90 12 34 56", (True, True)),
        ("id", f"{INDONESIAN}\n--- --- --- --- ---", (True, None)),
        ("id-ID", INDONESIAN, (True, None)),
        ("ja", "今日は天気がとても良いので、一緒に出かけましょう。", (True, True)),
        ("ja", "東京大学大学院情報理工学系研究科", (True, True)),
        ("ja", CHINESE, (False, None)),
        ("ko", "오늘은 날씨가 아주 좋아서 大韓民國 사람들이 많다.", (True, True)),
        ("ko", "今天的 天气 非常好 我们 应该 一起 出去", (False, None)),
    ],
)
def test_every_line_that_is_long_enough_is_to_be_in_the_language(
    language: str, text: str, passes: tuple[bool | None, bool | None]
):
    assert line_rates(language)(text) == passes


def test_words_pass_as_by_the_benchmarks_own_rule():
    """Its rule, with the same dictionary: tokens between spaces, without punctuation, of four small letters or more."""
    for text in (HINDI, f"{HINDI} however,", f"{HINDI} (because)", f"{HINDI} iPhone DNA km", f"{HINDI} bhajan"):
        tokens = text.translate(str.maketrans("", "", string.punctuation)).split()
        english = any(token.islower() and len(token) > 3 and is_known(token, "en") for token in tokens)
        assert line_rates("hi")(text) == (True, not english)
