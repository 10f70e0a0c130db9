"""The files of GAOKAO-Bench: the examination of each, how its questions are answered, what is put before them.

Prompts are quoted to the letter, slips of the pen included; every one is a system message of its own.

Source: OpenLMLab/GAOKAO-Bench, commit 6dbb24f8d8439041e5431c4c184a582182a6ce9c, Bench/Obj_Prompt.json and
Bench/Sub_Prompt.json (types, prompts), Bench/OBJ_score_evaluation.py and Bench/SUB_score_evaluation.py (examinations,
order).
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "single_choice",
    "multi_question_choice",
    "multi_choice",
    "five_out_of_seven",
    "cloze",
    "subjective",
    "correction",
]
"""The authors' question types: one letter; one for each of several sub-questions; all letters that apply; five of seven
letters in order; and, for a judge to mark, blanks to fill in, free answers, and a text to correct in two calls.
"""


@dataclass(frozen=True)
class Section:
    """One file: its examination, that subject's Chinese name, the type of its questions, the prompts of its calls."""

    exam: str
    title: str
    kind: Kind
    prompts: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether a judge marks it."""
        return self.kind in ("cloze", "subjective", "correction")

    @property
    def letters(self) -> tuple[str, ...]:
        """What a sub-question can be answered with; nothing where it is open."""
        if self.is_open:
            return ()
        return tuple("ABCDEFG") if self.kind == "five_out_of_seven" else tuple("ABCD")


_SINGLE = (
    "请你做一道{}选择题\n"
    "请你一步一步思考并将思考过程写在【解析】和<eoe>之间。你将从A，B，C，D中选出正确的答案，"
    "并写在【答案】和<eoa>之间。\n例如：【答案】: A <eoa>\n完整的题目回答的格式如下：\n"
    "【解析】 ... <eoe>\n【答案】 ... <eoa>\n请你严格按照上述格式作答。\n题目如下："
)
_SEVERAL = (
    "请你做一道{}。\n"
    "请你一步一步思考。每一题你将从A，B，C，D中选出正确的答案，并写在【答案】和<eoa>之间。\n"
    "例如：（1）【答案】 A <eoa>\n（2）【答案】 B <eoa>\n请你严格按照上述格式作答。\n"
)
_MATH_BLANKS = (
    "请解答下面的数学填空题\n"
    "仔细阅读题目，解答其中的问题，请你一步步思考并将思考过程写在【解析】和<eoe>之间。"
    "请把你的答案写在【答案】和<eoa>之间。\n完整的题目回答格式如下：\n【解析】 ...<eoe>\n"
    "【答案】...<eoa>\n请你严格按照上述格式作答。\n题目如下:"
)
_MATH_PROBLEMS = (
    "请解答下面的数学解答题\n仔细阅读题目并充分结合你已有的知识，解答其中的问题，"
    "请你一步步思考并将思考过程写在【解析】和<eoe>之间。请把你的答案写在【答案】和<eoa>之间，"
    "答案需要有完整的解题步骤。\n完整的题目回答格式如下：\n(1)【解析】 ...<eoe>\n【答案】...<eoa>\n"
    " (2)【解析】 ...<eoe>\n【答案】...<eoa>\n"
    "请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:"
)


def _single(exam: str, title: str) -> Section:
    return Section(exam, title, "single_choice", (_SINGLE.format(title),))


def _several(exam: str, title: str, what: str) -> Section:
    return Section(exam, title, "multi_question_choice", (_SEVERAL.format(what),))


def _cloze(exam: str, title: str, prompt: str) -> Section:
    return Section(exam, title, "cloze", (prompt,))


def _subjective(exam: str, title: str, prompt: str) -> Section:
    return Section(exam, title, "subjective", (prompt,))


OBJECTIVE: dict[str, Section] = {
    "2010-2013_English_MCQs": _single("English", "英语"),
    "2010-2022_English_Fill_in_Blanks": _several("English", "英语", "英语完形填空题,其中包含二十个小题"),
    "2012-2022_English_Cloze_Test": Section(
        "English",
        "英语",
        "five_out_of_seven",
        (
            "请回答下面的问题，将符合题意的五个选项的字母写在【答案】和<eoa>之间，"
            "例如“【答案】 A B C D E <eoa>\n请严格按照上述格式作答。\n",
        ),
    ),
    "2010-2022_English_Reading_Comp": _several("English", "英语", "英语阅读理解题，其中包含三到五个小题"),
    "2010-2022_Math_I_MCQs": _single("Math", "数学"),
    "2010-2022_Math_II_MCQs": _single("Math", "数学"),
    "2010-2022_Chinese_Modern_Lit": _several("Chinese", "语文", "语文阅读理解题，其中包含三个小题"),
    "2010-2022_Chinese_Lang_and_Usage_MCQs": Section(
        "Chinese",
        "语文",
        "multi_question_choice",
        (
            "请你做一道语文选择题\n"
            "请你一步一步思考并将思考过程写在【解析】和<eoe>之间。你将从A，B，C，D中选出正确的答案，"
            "并写在【答案】和<eoa>之间。\n例如：【答案】: A <eoa>\n完整的题目回答的格式如下：\n"
            "（1）【解析】 ... <eoe>\n【答案】 ... <eoa>\n（2）【解析】 ... <eoe>\n【答案】 ... <eoa>\n"
            "请你严格按照上述格式作答。如果不止一道题，请分别作答\n题目如下：",
        ),
    ),
    "2010-2022_Physics_MCQs": Section(
        "Physics",
        "物理",
        "multi_choice",
        (
            "请你做一道物理选择题。\n"
            "请你一步一步思考并将思考过程写在【解析】和<eoe>之间。你将从A，B，C，D中选出所有符合题意的答案，"
            "并写在【答案】和<eoa>之间。\n例如：【答案】 AB <eoa>\n完整的题目回答的格式如下：\n"
            "【解析】 ... <eoe>\n【答案】... <eoa>\n请你严格按照上述格式作答。\n",
        ),
    ),
    "2010-2022_Chemistry_MCQs": _single("Chemistry", "化学"),
    "2010-2022_Biology_MCQs": _single("Biology", "生物"),
    "2010-2022_History_MCQs": _single("History", "历史"),
    "2010-2022_Geography_MCQs": _several("Geography", "地理", "地理选择题，其中包含两到三个小题"),
    "2010-2022_Political_Science_MCQs": _single("Politics", "政治"),
}

OPEN: dict[str, Section] = {
    "2012-2022_English_Language_Error_Correction": Section(
        "English",
        "英语",
        "correction",
        (
            (
                "请解答下面的英语短文改错题，仔细阅读题目并充分结合你你已有的知识，找出其中10处需要改动的地方。"
                "请你一步步思考，把修改后的短文写在【答案】和<eoa>之间。\n"
                "完整的题目回答格式如下：【答案】 ...<eoa>\n 请你严格按照上述格式作答。\n题目如下:"
            ),
            (
                "请比较下面两篇短文，找到第二篇和第一篇的10处不同，每处不同只涉及一个单词，"
                "请将结果写在【答案】和<eoa>之间。例如：【答案】1. 将play改为plays\n 2.增加了the\n ... <eoa>\n"
                " 完整的题目回答格式如下：【答案】(1) ... \n (2) ...\n ...(10) ...\n<eoa>\n"
                "请你严格按照上述格式作答。\n短文如下:"
            ),
        ),
    ),
    "2014-2022_English_Language_Cloze_Passage": _cloze(
        "English",
        "英语",
        "请回答下面的英语短文填词题\n"
        "仔细阅读题目，空白处请填入一个适当单词或者括号内单词的正确形式。请你一步步思考，"
        "将思考过程写在【解析】和<eoe>之间，将最终答案写在【答案】和<eoa>之间。\n"
        "完整的题目回答格式如下：\n（1）【解析】 ...<eoe>\n【答案】...<eoa>\n（2）【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Math_I_Fill-in-the-Blank": _cloze("Math", "数学", _MATH_BLANKS),
    "2010-2022_Math_I_Open-ended_Questions": _subjective("Math", "数学", _MATH_PROBLEMS),
    "2010-2022_Math_II_Fill-in-the-Blank": _cloze("Math", "数学", _MATH_BLANKS),
    "2010-2022_Math_II_Open-ended_Questions": _subjective("Math", "数学", _MATH_PROBLEMS),
    "2010-2022_Chinese_Language_Ancient_Poetry_Reading": _subjective(
        "Chinese",
        "语文",
        "请解答下面的语文古代诗歌阅读题，仔细阅读题目，注意其中可能含有单选题和多选题。"
        "请你一步步思考并将最终答案写在【答案】和<eoa>之间。选择题你要从选项中选出符合题意的答案，"
        "例如“【答案】A <eoa>”。\n完整的题目回答格式如下：（1）【答案】 ...<eoa>\n"
        " (2)【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Chinese_Language_Practical_Text_Reading": _subjective(
        "Chinese",
        "语文",
        "请解答下面的语文实用类文本阅读，仔细阅读题目，注意其中可能含有单选题和多选题。"
        "请你一步步思考并将最终答案写在【答案】和<eoa>之间。选择题你要从选项中选出符合题意的答案，"
        "例如“【答案】A <eoa>”。\n完整的题目回答格式如下：（1）[答案】 ...<eoa>\n"
        " (2)【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Chinese_Language_Literary_Text_Reading": _subjective(
        "Chinese",
        "语文",
        "请解答下面的语文文学类文本阅读，仔细阅读题目，注意其中可能含有单选题和多选题。"
        "请你一步步思考并将最终答案写在【答案】和<eoa>之间。选择题你要从选项中选出符合题意的答案，"
        "例如“【答案】A <eoa>”。\n完整的题目回答格式如下：（1）[答案】 ...<eoa>\n"
        " (2)【答案】...<eoa>\n请你严格按照上述格式作答,如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Chinese_Language_Classical_Chinese_Reading": _subjective(
        "Chinese",
        "语文",
        "请解答下面的语文文言文阅读，仔细阅读题目，前三题是单选题，最后一题要将文言文翻译为现代汉语。"
        "请你一步步思考并把最终答案写在【答案】和<eoa>之间。选择题你要从选项中选出符合题意的答案，"
        "例如“【答案】A <eoa>”。翻译题把翻译后的现代汉语句子写在【答案】后面，"
        "例如”【答案】今天天气很好 <eoa>”\n完整的题目回答格式如下：（1）[答案】 ...<eoa>\n"
        " (2)【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Chinese_Language_Language_and_Writing_Skills_Open-ended_Questions": _subjective(
        "Chinese",
        "语文",
        "请解答下面的语文解答题，仔细阅读题目，注意其中可能含有选择题。"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。请把你的最终答案写在【答案】和<eoa>之间。"
        "选择题你要从选项中选出符合题意的答案，例如“【答案】A <eoa>”。\n"
        "完整的题目回答格式如下：（1）【解析】 ...<eoe>\n【答案】 ...<eoa>\n (2)【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请你严格按照上述格式作答。如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Chinese_Language_Famous_Passages_and_Sentences_Dictation": _cloze(
        "Chinese",
        "语文",
        "请回答下面的语文填空题\n"
        "请你仔细阅读题目，先找到题目对应的中国名篇，再从名篇中找到合适的句子填写到题目的空白处。"
        "请你将思考过程写在【解析】和<eoe>之间，将最终答案写在【答案】和<eoa>之间。\n"
        "完整的题目回答格式如下：\n（1）【解析】 ...<eoe>\n【答案】...<eoa>\n（2）【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Physics_Open-ended_Questions": _subjective(
        "Physics",
        "物理",
        "请解答下面的物理解答题，仔细阅读题目，注意其中可能含有单选题和多选题。"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。请把你的最终答案写在【答案】和<eoa>之间。"
        "选择题你要从选项中选出符合题意的答案，例如“【答案】A <eoa>”。\n"
        "完整的题目回答格式如下：（1）【解析】 ...<eoe>\n【答案】 ...<eoa>\n (2)【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请你严格按照上述格式作答。如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Chemistry_Open-ended_Questions": _subjective(
        "Chemistry",
        "化学",
        "请解答下面的化学解答题\n仔细阅读题目并充分结合你已有的知识，解答其中的问题，"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。请把你的答案写在【答案】和<eoa>之间\n"
        "完整的题目回答格式如下：\n(1)【解析】 ...<eoe>\n【答案】...<eoa>\n (2)【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Biology_Open-ended_Questions": _subjective(
        "Biology",
        "生物",
        "请解答下面的生物解答题\n仔细阅读题目并充分结合你已有的知识，解答其中的问题，"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。"
        "请把你的答案写在【答案】和<eoa>之间,同一小题的答案用\t分隔开。\n完整的题目回答格式如下：\n"
        "(1)【解析】 ...<eoe>\n【答案】...\t...<eoa>\n (2)【解析】 ...<eoe>\n【答案】...\t...<eoa>\n"
        "请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_History_Open-ended_Questions": _subjective(
        "History",
        "历史",
        "请解答下面的历史解答题\n仔细阅读材料和题目，并充分结合你已有的知识，解答其中的问题。"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。请把你的答案写在【答案】和<eoa>之间\n"
        "完整的题目回答格式如下：\n(1)【解析】 ...<eoe>\n【答案】...<eoa>\n (2)【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
    "2010-2022_Geography_Open-ended_Questions": _subjective(
        "Geography",
        "地理",
        "请解答下面的地理解答题\n仔细阅读题目并充分结合你已有的知识，解答其中的问题，"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。你的答案请写在【答案】和<eoa>之间\n"
        "完整的题目回答格式如下：\n(1)【解析】 ...<eoe>\n【答案】...<eoa>\n (2)【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下：",
    ),
    "2010-2022_Political_Science_Open-ended_Questions": _subjective(
        "Politics",
        "政治",
        "请解答下面的政治解答题\n仔细阅读材料和题目，并充分结合你已有的知识，解答其中的问题，"
        "请你一步步思考并将思考过程写在【解析】和<eoe>之间。请把你的答案写在【答案】和<eoa>之间\n"
        "完整的题目回答格式如下：\n(1)【解析】 ...<eoe>\n【答案】...<eoa>\n (2)【解析】 ...<eoe>\n"
        "【答案】...<eoa>\n请你严格按照上述格式作答，如果不止一道题，请分别作答。\n题目如下:",
    ),
}

SECTIONS: dict[str, Section] = OBJECTIVE | OPEN
