"""What counts as leaving a language, what does not, and how often the detector errs on examples made by hand."""

import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from bench._rates import SwitchingExample, error_rates
from loanword.evaluation.switching.detect import Finder, detector, finder, switches
from loanword.evaluation.switching.exempt import blanked, words_asked
from loanword.recipe import MeasuredSwitchingConfig, SwitchingConfig
from loanword.records import OpenQuestion, Response, Switching, read_lines
from loanword.writing import writing

EXAMPLES = Path(__file__).parent / "examples"
LANGUAGES = ("zh", "ar", "bn", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi", "en")
LATIN = ("id", "sw", "vi", "en")


@cache
def found_in(language: str, **settings: object) -> Finder:
    return finder(
        MeasuredSwitchingConfig(
            language=language, switching=SwitchingConfig.model_validate({"languages": ("en",)} | settings)
        )
    )


def marked(language: str, text: str, asked: str = "") -> list[str]:
    return [text[span.start : span.end] for span in found_in(language)(text, words_asked([asked]))]


def answered(*texts: str, language: str | None = None) -> Response:
    asked = OpenQuestion(turns=("?",), language=language)
    return Response(
        id="1", benchmark="open", subject="s", num_shots=0, answers=(), asked=asked, texts=texts, ended="stopped"
    )


def seen(language: str, *texts: str) -> Switching:
    detect = detector(MeasuredSwitchingConfig(language=language, switching=SwitchingConfig(languages=("en",))))
    return detect(answered(*texts))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "他说：“Practice makes perfect.”，意思是熟能生巧。"),
        ("zh", "在 macOS 上按 Command + C 复制，按 Ctrl+V 粘贴。"),
        ("zh", "解方程 2x + 3y = 12，即 f(x) = x² + 1，sin x + cos x，$E = mc^2$。"),
        ("zh", "Vincent van Gogh 和 Ludwig van Beethoven 都很有名。"),
        ("zh", "大肠杆菌（Escherichia coli）和智人 Homo sapiens 都是物种。"),
        ("zh", "a) 苹果 b) 香蕉 c) 橙子，选 b。容量 2 TB，速度 550 MB/s，早上 9:00 am。"),
        ("zh", "The Beatles 是英国乐队，歌名是 \"Let it be\"，专辑叫《Abbey Road》。"),
        ("zh", "文件 report_final.docx 和 main.py 在 /usr/local/bin 里，见 https://example.com/a_b。"),
        ("zh", "```\nprint the whole thing\n```\n以上是代码，用 `pip install numpy` 安装。"),
        ("hi", "मशीन लर्निंग (machine learning) एक शाखा है, और दूरी 5 km है।"),
        ("mr", "‘however’चा अर्थ ‘तथापि’ असा आहे."),
        ("id", "Film \"The Lord of the Rings\" tayang di New York; suhu 30 °C dan pH 7."),
        ("id", "Saya memakai laptop untuk membuka email serta internet."),
        ("sw", "Mji wa Dar es Salaam uko karibu; Manchester United ilishinda Real Madrid."),
        ("vi", "Con cho em ta an, ba ta mang hai con ga. Anh ấy nói: \"Time is money\" rồi đi."),
        ("en", "We ate sushi at a café in Los Angeles; the committee met ad hoc."),
        ("en", "People greet each other by saying “你好”, and spring rolls (春卷) are eaten."),
        ("en", "This Is The Answer And It Is Simple: We Know It."),
        ("zh", "歌剧 The Barber Of Seville And The Marriage Of Figaro 都在 WHO、UNESCO 和 IMF 演过。"),
        ("zh", "调用 print(value) 和 open('the file name') 即可。"),
        ("de", "Die Bundesregierung hat beschlossen, die Steuern für kleine Unternehmen zu senken."),
        ("ja", "東京都千代田区にある国立国会図書館は、独立行政法人国立病院機構とは別の組織です。"),
        ("ko", "서울은 大韓民國의 수도(首都)이다."),
    ],
)  # fmt: skip
def test_names_units_code_quotations_and_glosses_leave_no_language(language: str, text: str):
    assert marked(language, text) == []


@pytest.mark.parametrize(
    ("language", "text", "pieces"),
    [
        ("zh", "这种药是安全的，however孕妇应当先咨询医生。", ["however"]),
        ("zh", "However，我们需要更多的 data 来训练模型。", ["However", "data"]),
        ("zh", "他说：“我觉得这个 project 很重要，我们应该继续做下去。”", ["project"]),
        ("zh", "泡茶的水温很重要，红茶обычно要用刚烧开的水。", ["обычно"]),
        ("hi", "हमें अपने health का ध्यान in the long run रखना चाहिए।", ["health", "in the long run"]),
        ("hi", "मौसम अच्छा था। त्याला स्वतःच पुस्तक निवडू द्या म्हणजे त्याची आवड वाढेल।",
         ["त्याला स्वतःच पुस्तक निवडू द्या म्हणजे त्याची आवड वाढेल"]),
        ("ur", "اس کا مقصد سوال کرنا ہے، مگر الشيء الوحيد الذي يعيقنا۔ یہ درست ہے۔", ["مگر الشيء الوحيد الذي يعيقنا"]),
        ("id", "Kita harus menjaga our environment agar tetap bersih.", ["our environment"]),
        ("sw", "Mvua haikunyesha mwaka huu, therefore wakulima hawakuvuna.", ["therefore"]),
        ("vi", "Điều này rất important đối với chúng ta.", ["important"]),
        ("en", "Add one cup of milk, pero you can use more; it is very 重要 to stir.", ["pero", "重要"]),
        ("zh", "我们discuss(and then decide)一下。", ["discuss"]),
        ("zh", "答案：The Answer Is Simple And We Know It。", ["The Answer Is Simple And We Know It"]),
        ("id", "THE ANSWER IS FORTY TWO BECAUSE WE SAY SO.", ["THE ANSWER IS FORTY TWO BECAUSE WE SAY SO"]),
        ("de", "Ich denke, dass the weather is really nice today, aber morgen regnet es.",
         ["the weather is really nice today"]),
        ("ja", "これは簡単です。这个问题很简单，我们来看看。", ["这个问题很简单，我们来看看"]),
        ("ko", "서울은 아름답다. 我們都知道這個問題。", ["我們都知道這個問題"]),
    ],
)  # fmt: skip
def test_words_of_another_language_are_marked_where_they_stand(language: str, text: str, pieces: list[str]):
    assert marked(language, text) == pieces


def test_a_long_quotation_that_is_most_of_a_response_is_no_exemption():
    for quoted in (
        "“The weather is nice today. We should all go.”",
        '"The capital of France is Paris and it is large"',
    ):
        assert marked("zh", f"答案：{quoted}")
    assert marked("zh", "答案：《One Hundred Years of Solitude》") == []
    assert marked("zh", f"他常常引用一句英文谚语 “time is money” 来提醒我们珍惜时间。{'时间很宝贵。' * 5}") == []


def test_words_that_were_asked_about_and_known_words_may_stand_in_any_language():
    text = "serendipity 指的是在无意之中发现美好事物的幸运。"
    assert marked("zh", text) == ["serendipity"]
    assert marked("zh", text, asked="What does 'serendipity' mean?") == []
    assert found_in("zh", known=("serendipity",))(text, frozenset()) == []


def test_languages_that_are_named_are_looked_for_in_single_words():
    text = "Regular exercise can menjaga a healthy weight when it is combined with enough sleep."
    assert found_in("en")(text, frozenset()) == []
    (span,) = found_in("en", languages=("id", "sw"))(text, frozenset())
    assert (text[span.start : span.end], span.language, span.level) == ("menjaga", "id", "word")


@pytest.mark.parametrize("language", ["en-US", "id-ID", "pt-BR", "sr-Latn", "hi-Latn", "fil", "nb", "su", "xx", "und"])
def test_any_language_tag_is_looked_for_and_looked_in(language: str):
    found = found_in(language, languages=("en", "id-ID", "su"))("但是。 Mungkin siya, at ito ay isang.", frozenset())
    assert [span.language for span in found if span.level == "script"] == ["zh"]


def test_a_region_changes_nothing():
    text = "Kita harus menjaga our environment agar tetap bersih."
    assert found_in("id-ID", languages=("en-GB",))(text, frozenset()) == found_in("id")(text, frozenset())


@pytest.mark.parametrize("languages", [("en",), ("id",), ("en", "id")])
def test_what_is_asked_in_another_language_is_searched_for_the_runs_own(languages: tuple[str, ...]):
    config = MeasuredSwitchingConfig(language="id", switching=SwitchingConfig(languages=languages))
    text = "Regular exercise can menjaga a healthy weight when it is combined with enough sleep."
    own, translated = switches([answered("Ini jawaban saya."), answered(text, language="en")], config)
    assert (own.language, own.switched) == ("id", False)
    assert (translated.language, [span.language for span in translated.spans]) == ("en", ["id"])


def test_languages_of_a_response_stand_in_the_order_of_its_text():
    assert [span.language for span in seen("zh", "我们обычно喝茶，however很少喝咖啡。").spans] == ["ru", "en"]
    assert [span.language for span in seen("zh", "我们however喝茶，обычно很少喝咖啡。").spans] == ["en", "ru"]


@pytest.mark.parametrize("unit", ["好（the b）", "a_b.", "“this is a long quoted piece of text” 好 "])
def test_text_that_repeats_itself_for_long_is_looked_through_in_little_time(unit: str):
    find = found_in("zh")
    find(unit * 10, frozenset())
    started = time.process_time()
    find(unit * (60_000 // len(unit)), frozenset())
    assert time.process_time() - started < 3


def test_no_word_counts_at_a_posterior_that_none_reaches():
    text = "Untuk maintain kesehatan gigi, sikatlah gigi dua kali sehari."
    assert marked("id", text) == ["maintain"]
    assert found_in("id", min_posterior=1.0)(text, frozenset()) == []


def test_a_response_is_its_turns_joined_by_line_ends():
    told = seen("zh", "第一个回答。", "第二个回答，however不同。")
    (span,) = told.spans
    assert "第一个回答。\n第二个回答，however不同。"[span.start : span.end] == "however"
    assert (told.switched, span.language, span.level) == (True, "en", "script")
    assert told.share == pytest.approx(7 / 19) and told.num_letters == 19


@pytest.mark.parametrize("text", ["", "42", "3 + 4 = 7 !?", "😀\n\n…"])
def test_a_response_without_letters_does_not_switch(text: str):
    told = seen("zh", text)
    assert (told.switched, told.share, told.line_passes, told.word_passes) == (False, 0.0, None, None)


TEXT = st.text(st.sampled_from("the however maintain data 水很 कखग και, .\n“”()'`Aé9"), max_size=60)


@given(TEXT, st.sampled_from(["zh", "hi", "id", "en"]))
@settings(max_examples=150)
def test_spans_are_in_order_apart_and_hold_letters(text: str, language: str):
    spans = found_in(language)(text, frozenset())
    assert all(one.end <= two.start for one, two in pairwise(spans))
    assert all(regex.search(r"\p{L}", text[span.start : span.end]) for span in spans)


@given(TEXT)
def test_what_is_blanked_keeps_its_place(text: str):
    plain = blanked(text)
    assert len(plain) == len(text)
    assert all(now in (was, "\ufffc") for was, now in zip(text, plain, strict=True))


@given(st.text(st.sampled_from("தமிழ்நாடு அவன் படி, .\n“”()0123"), max_size=80))
def test_letters_of_a_script_that_one_language_has_are_that_language(text: str):
    assert found_in("ta")(text, frozenset()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_examples_are_whole(language: str):
    examples = list(read_lines(SwitchingExample, EXAMPLES / f"{language}.jsonl"))
    assert len({example.id for example in examples}) == len(examples) >= 60
    for example in examples:
        assert example.language == language
        assert bool(example.words) == bool(example.into) == example.switched, example.id
        error_rates(lambda text, asked: [], [example])  # finds every piece in its text, in order


def held_out(language: str) -> list[SwitchingExample]:
    """Nothing was set on even lines."""
    return list(read_lines(SwitchingExample, EXAMPLES / f"{language}.jsonl"))[1::2]


@pytest.mark.parametrize("language", LANGUAGES)
def test_switches_into_other_scripts_are_found_on_held_out_examples(language: str):
    hits = misses = wrong = 0
    scripts = set(writing(language).scripts)
    for example in held_out(language):
        spans = found_in(language)(example.text, words_asked([example.prompt]))
        if example.switched and all(scripts.isdisjoint(writing(each).scripts) for each in example.into):
            hits, misses = hits + bool(spans), misses + (not spans)
        elif not example.switched:
            wrong += any(span.level == "script" for span in spans)
    assert hits / (hits + misses) >= 0.95
    assert hits / (hits + wrong) >= 0.95


@pytest.mark.parametrize("language", ["id", "sw", "vi"])
def test_english_within_latin_letters_is_found_on_held_out_examples(language: str):
    examples = [each for each in held_out(language) if not each.switched or "en" in each.into]
    rates = error_rates(found_in(language), examples)
    assert rates.recall >= 0.85
    assert rates.precision >= 0.85


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_a_language_rarely_leave_it(language: str, shared_data: Path):
    path = shared_data / "parallel" / "flores200-devtest" / f"{language}.txt"
    sentences = path.read_text(encoding="utf-8").splitlines()
    false = sum(bool(found_in(language)(sentence, frozenset())) for sentence in sentences)
    assert false / len(sentences) <= (0.03 if language in LATIN else 0.01)
