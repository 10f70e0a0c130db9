"""Each rule removes what it is there for, and leaves what only looks like it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.corpus import instruction_rules as rules
from loanword.corpus import instruction_words as words
from loanword.corpus.instruction_language import translated_code, untranslated
from loanword.corpus.shapes import Instruction, Turn
from loanword.recipe.text import InstructionRule, InstructionsConfig


def one(instruction: str, response: str, input: str = "") -> Instruction:
    return Instruction("id", "", (Turn(instruction, input, response),))


@pytest.mark.parametrize(
    ("asked", "response"),
    [
        ("What day is it?", "As an AI language model, I cannot know today's date."),
        ("Draw a cat.", "I'm sorry, but I cannot create pictures."),
        ("Draw a cat.", "No output as GPT models cannot create visual output."),
        ("今天是星期几", "作为一名AI模型，我无法获取当前日期。"),
        ("画一只猫", "抱歉，我无法生成图像。"),
        ("Hôm nay là thứ mấy?", "Là một mô hình ngôn ngữ, tôi không biết hôm nay là ngày nào."),
    ],
)
def test_responses_that_say_that_they_cannot_be_given_are_refusals(asked: str, response: str):
    assert rules.refusal(one(asked, response))


@pytest.mark.parametrize(
    ("asked", "response"),
    [
        ("Apologise.", "I'm sorry that I came too late to our meeting."),
        ("Turn this into a polite sentence.", "Unfortunately, I will not be able to come."),
        ("Who are you?", "I am an AI assistant. How can I help?"),
        ("What can GPT models not do?", "GPT models cannot open doors."),
        ("换一种说法：我无法参加会议。", "抱歉，我不能参加会议。"),
        ("寻找轮子的用途。", "作为大型艺术作品的一部分，轮子可以用来装饰。"),
    ],
)
def test_apologies_and_answers_about_models_are_no_refusals(asked: str, response: str):
    assert not rules.refusal(one(asked, response))


PROSE = "The area of the triangle is about 24 square units, and that is what was asked for in the question."


@pytest.mark.parametrize(
    ("language", "asked", "response"),
    [
        ("zh", "计算三角形的面积。", PROSE),
        ("zh", "解释机会成本。", f"机会成本是放弃的选择。 {PROSE} 这很重要。"),
        ("zh", "将这句话翻译成法语：“我去了商店。”", "我去了商店。"),
        ("zh", "把下面的句子翻译成日语。", "我去了商店。"),
        ("hi", "Write a poem about the beauty of nature.", "प्रकृति की सुंदरता पर एक कविता।"),
        ("vi", "Diện tích tam giác là bao nhiêu?", PROSE),
        ("vi", "How do I keep the dog safe when there are fireworks?", "Hãy giữ chó trong nhà."),
        ("en", "What is the capital of France?", "Столица Франции — Париж, это большой город."),
        ("hi", "भारत की राजधानी क्या है?", "印度的首都是新德里，它是一座大城市。"),
    ],
)
def test_what_was_not_translated_and_what_was_translated_back_goes(language: str, asked: str, response: str):
    assert untranslated(one(asked, response), language=language)


@pytest.mark.parametrize(
    ("language", "asked", "response", "input"),
    [
        ("zh", "将这句话翻译成英语：“我去了商店。”", "I went to the store because there was nothing to eat.", ""),
        ("zh", "用英文写一封推荐信。", PROSE, ""),
        ("zh", "编辑以下文本以更正拼写错误。", "They were late because the bus was full and it was raining.",
         "They was late becaus the bus was full and it was raining."),
        ("zh", "写一个打印问候语的程序。", "# print what the user is called and what they will do\nprint('hi')", ""),
        ("zh", "有哪些扩展？", "Music Extension、Pen Extension、Video Sensing Extension、Text to Speech。", ""),
        ("zh", "把这句话翻译成中文：It is raining.", "下雨了。", ""),
        ("ne", "IUPAC को पुरा रुप के हो ?", "International Union of Pure and Applied Chemistry", ""),
        ("hi", "Bharat ki rajdhani kya hai", "नई दिल्ली भारत की राजधानी है।", ""),
        ("hi", "इसका अंग्रेज़ी में अनुवाद करें: आज आप कैसे हैं?", "How are you today, and what will you be doing?", ""),
        ("vi", "Cách làm lasagna quinoa", "Món này thay thế miến lasagna bằng quinoa.", ""),
        ("en", "Translate to Russian: Paris is a city.", "Париж — это большой и красивый город.", ""),
        ("sw", "Taja rangi tatu.", "Nyekundu, bluu na njano ni rangi tatu za msingi zinazojulikana sana.", ""),
    ],
)  # fmt: skip
def test_translations_code_names_and_short_answers_stay(language: str, asked: str, response: str, input: str):
    assert not untranslated(one(asked, response, input), language=language)


def test_code_whose_words_were_translated_is_known_in_chinese():
    assert translated_code(one("写一个函数。", "def f(x):\n    如果 x > 0：\n        返回 x"), language="zh")
    assert translated_code(one("写一个函数。", "函数 sum(a, b) {\n  返回 a + b;\n}"), language="zh-Hans")
    assert not translated_code(one("写一个函数。", "def f(x):\n    # 如果 x 大于零\n    return x"), language="zh")
    assert not translated_code(one("写伪代码。", "def f(x):\n    如果 x > 0：\n        返回 x"), language="zh")
    assert not translated_code(one("如何返回？", "如果要返回，请点击“返回”：它在左上角。\n返回很容易。"), language="zh")
    assert not translated_code(one("写一个函数。", "def f(x):\n    如果 x > 0：\n        返回 x"), language="ja")


@pytest.mark.parametrize(
    "response",
    [
        "|||TRANSLATION_FAILED|||How are you?",
        "<nooutput> This cannot be drawn.",
        "a \ufffd b",
        "$y = \x0crac{1}{2}$",
        "She watered them.\n\n6. Instruction: Write an ending.\n6. Input:\nnone\n6. Output:\nThe end.",
        "好的。\n##\n18. 说明：识别名词：\n18.输入：\n苹果\n18.输出：\n苹果",
    ],
)
def test_damaged_text_and_what_programs_left_is_broken(response: str):
    assert rules.broken_text(one("Do it.", response))


def test_text_with_marks_of_its_own_is_not_broken():
    assert not rules.broken_text(one("Write a table.", "1. Input: the text\n2. Output: its length\n\ta | b\r\n"))
    assert not rules.broken_text(
        one("### Instruction: what does this mark mean?", "### Instruction: it begins a task.")
    )


@given(st.sampled_from(["ab", "na ", "Again and again. ", "再说一遍。"]), st.integers(40, 80), st.text(max_size=20))
def test_loops_are_found_wherever_they_stand(unit: str, times: int, around: str):
    assert rules.repeated_text(one("Go on.", around + unit * times + around))


@given(st.text(alphabet="ab c\n", max_size=300))
def test_what_needs_no_search_for_a_loop_has_none(text: str):
    if not rules._repeats(text):
        assert rules._LOOP.search(text) is None


@pytest.mark.parametrize(
    "response",
    ["-" * 80, "<td>1</td>\n" * 30, "Row, row, row your boat, gently down the stream.", "x = f(x);\n" * 20],
)
def test_lines_tables_and_refrains_are_no_loops(response: str):
    assert not rules.repeated_text(one("Go on.", response))


@pytest.mark.parametrize(
    ("asked", "input"),
    [
        ("总结这篇文章。", ""),
        ("从给定的文章中提取四个亮点。", ""),
        ("给定以下句子，解释它的意思。", ""),
        ("分析下面的照片。", "[插入图片]"),
        ("用两句话总结这篇文章。", "https://www.npr.org/2019/07/08/739361030/climate"),
        ("Summarize the following article.", ""),
        ("Describe the photo below.", "<image>"),
    ],
)
def test_questions_about_a_text_that_is_not_there_go(asked: str, input: str):
    assert rules.missing_input(one(asked, "It is about the weather.", input))


@pytest.mark.parametrize(
    ("asked", "input"),
    [
        ("总结这篇文章。", "今天下雨。"),
        ("编辑以下句子：“今天太阳晚了。”", ""),
        ("下面这句话是对还是错？人类可以在水下呼吸。", ""),
        ("编写一个函数来计算给定数组的总和。", ""),
        ("提供一首诗中斜韵的例子。", ""),
        ("生成与太空探索相关的 5 本书的列表", ""),
        ("确定给定网站的类型。", "www.amazon.com"),
        ("对单词排序。", "[苹果、鸟、猫]"),
        ("Is the following sentence true or false? Humans can breathe underwater.", ""),
        ("Write a function that sorts the given list.", ""),
        ("Find the domain of this URL.", "https://docs.google.com/document"),
    ],
)
def test_questions_that_hold_their_text_or_need_none_stay(asked: str, input: str):
    assert not rules.missing_input(one(asked, "It is about the weather.", input))


def test_an_echo_is_to_the_letter_and_not_what_was_asked_for():
    assert rules.echo(one("用过去时改写。", "他每天上班。", "他每天上班。"))
    assert rules.echo(one("Draw a cat running.", "Draw a cat running."))
    assert not rules.echo(one("Remove the double space.", "The dog is cute.", "The dog  is cute."))
    assert not rules.echo(one("Sort these words.", "a, b, c", "a, b, c"))
    assert not rules.echo(one("大声朗读下面的文字。", "床前明月光", "床前明月光"))


def test_lengths_are_of_responses_and_of_whole_conversations():
    assert rules.too_short(one("1 + 1 =", " 2 "), min_characters=2)
    assert not rules.too_short(one("1 + 1 =", "is 2"), min_characters=2)
    assert rules.too_long(one("a" * 6, "b" * 5), max_characters=10)
    assert not rules.too_long(one("a" * 5, "b" * 5), max_characters=10)


def test_responses_that_are_not_counted_are_nobody_s_to_judge():
    refused = Turn("Draw a cat.", "", "I'm sorry, but I cannot create pictures.", counted=False)
    assert not rules.refusal(Instruction("id", "", (refused, Turn("Then describe one.", "", "It has four legs."))))


def test_mending_leaves_text_about_markup_and_scripts_that_need_their_marks():
    about = one("How is < escaped in HTML?", "It is written &lt;.")
    assert rules.mended(about, "en") == about
    raw = one("Mend this.", "<b>&lt;</b>")
    assert rules.mended(raw, "en") == raw
    assert rules.mended(one("ถาม", "ไทย\u200bไทย"), "th").turns[0].response == "ไทย\u200bไทย"
    assert rules.mended(one("कहो", "क\u200dष"), "hi").turns[0].response == "क\u200dष"
    assert rules.mended(one("说", "协\u200b\u200b议 &quot;a&quot;"), "zh").turns[0].response == '协议 "a"'


def test_rules_act_in_the_order_of_the_config_and_only_those_that_it_names():
    said = one("总结这篇文章。", "抱歉，我无法访问网页。")
    orders: dict[tuple[InstructionRule, ...], str | None] = {
        (): None,
        ("missing-input", "refusals"): "missing-input",
        ("refusals", "missing-input"): "refusals",
    }
    for names, expected in orders.items():
        config = InstructionsConfig(files=("x",), language="zh", rules=names)
        assert rules.ruler(config)(said).removed_by == expected
        assert rules.removing(config) == ["empty_instruction", "empty_response", *names]


def test_thousands_of_blank_lines_take_no_time():
    blank = "\n" * 20_000
    text = f"text{blank}text"
    began = time.process_time()
    assert not words.MERGED.search(text) and not words.CODE_WORDS.search(text)
    assert not untranslated(one(text, text), language="vi")
    assert time.process_time() - began < 1
    assert words.MERGED.search("a\n\n - 1. Instruction: b\n\n 1. Output: c")
    assert words.CODE_WORDS.search("\n\n  返回 x;")
