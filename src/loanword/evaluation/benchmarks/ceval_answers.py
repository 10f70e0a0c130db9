"""The letter that C-Eval's authors read from what a model wrote, pattern by pattern.

What their code grades wrong because nothing or something else than an option was read is unparsed here, which earns
as much: nothing. Their patterns stay as they are: `DNA` is read as D, `所以A。` is not read.

Source: hkust-nlp/ceval, commit cba65ae93bcf189149ced9f66ae0c958201faed9, code/evaluator_series/evaluators/:
chatgpt.py (extract_ans), evaluator.py (exact_match), llama.py (extract_answer, extract_answer_option).
"""

import re
import string

from loanword.evaluation.benchmark import LETTERS
from loanword.records import Response

THINKING = "让我们一步一步思考"
"""What a chain of thought begins with; the prompt holds it and the number of the first step."""
FIRST_STEP = "，\n1."

_ANSWER_ONLY = (
    r"^选([A-D])",
    r"^选项([A-D])",
    r"答案是\s?选?项?\s?([A-D])",
    r"答案为\s?选?项?\s?([A-D])",
    r"答案应为\s?选?项?\s?([A-D])",
    r"答案选\s?选?项?\s?([A-D])",
    r"答案是:\s?选?项?\s?([A-D])",
    r"答案应该是:\s?选?项?\s?([A-D])",
    r"正确的一项是\s?([A-D])",
    r"答案为:\s?选?项?\s?([A-D])",
    r"答案应为:\s?选?项?\s?([A-D])",
    r"答案:\s?选?项?\s?([A-D])",
    r"答案是：\s?选?项?\s?([A-D])",
    r"答案应该是：\s?选?项?\s?([A-D])",
    r"答案为：\s?选?项?\s?([A-D])",
    r"答案应为：\s?选?项?\s?([A-D])",
    r"答案：\s?选?项?\s?([A-D])",
)

_CHAIN_OF_THOUGHT = (
    r"答案是?\s?([ABCD])",
    r"答案是?\s?：([ABCD])",
    r"答案是?\s?:([ABCD])",
    r"答案应该?是\s?([ABCD])",
    r"答案应该?选\s?([ABCD])",
    r"答案为\s?([ABCD])",
    r"选择\s?([ABCD])",
    r"只有选?项?\s?([ABCD])\s?是?对",
    r"只有选?项?\s?([ABCD])\s?是?错",
    r"只有选?项?\s?([ABCD])\s?不?正确",
    r"只有选?项?\s?([ABCD])\s?错误",
    r"说法不?对选?项?的?是\s?([ABCD])",
    r"说法不?正确选?项?的?是\s?([ABCD])",
    r"说法错误选?项?的?是\s?([ABCD])",
    r"([ABCD])\s?是正确的",
    r"([ABCD])\s?是正确答案",
    r"选项\s?([ABCD])\s?正确",
    r"所以答\s?([ABCD])",
    r"1.\s?([ABCD])[.。$]?$",
    r"所以\s?([ABCD][.。$]?$)",
    r"所有\s?([ABCD][.。$]?$)",
    r"[\s，：:,]([ABCD])[。，,\.]?$",
    r"[\s，,：:][故即]([ABCD])[。\.]?$",
    r"[\s，,：:]因此([ABCD])[。\.]?$",
    r"[是为。]\s?([ABCD])[。\.]?$",
    r"因此\s?([ABCD])[。\.]?$",
    r"显然\s?([ABCD])[。\.]?$",
    r"1.\s?(.*?)$",
    r"答案是\s?(\S+)(?:。|$)",
    r"答案应该是\s?(\S+)(?:。|$)",
    r"答案为\s?(\S+)(?:。|$)",
)

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def answer_only(response: Response) -> tuple[str, ...] | None:
    """The letter that a direct answer gives.

    After shots the answer is the whole of it but for ASCII punctuation, up to the empty line behind which a model that
    is not a chat model asks itself the next question; the authors' chat models end there by themselves. Without
    shots it is the letter that the answer begins with, else the last one that the first pattern to be found gives.
    """
    said = response.texts[-1].strip()
    if response.num_shots:
        alone = " ".join(said.split("\n\n")[0].translate(_NO_PUNCTUATION).split()).upper()
        return (alone,) if alone in LETTERS else None
    if said.startswith(LETTERS):
        return (said[0],)
    for pattern in _ANSWER_ONLY:
        found: list[str] = re.findall(pattern, said)
        if found:
            return (found[-1],)
    return None


def chain_of_thought(response: Response) -> tuple[str, ...] | None:
    """The letter that a chain of thought ends in, or whose option's text it ends in.

    Read is what stands before the model's next `让我们一步一步思考`, where it would answer a question of its own; the
    first pattern that is found decides. A text that two options share names the right one.
    """
    thought, *run_on = (FIRST_STEP + response.texts[-1]).split(THINKING)
    text = THINKING + (thought if run_on else thought.removesuffix("\n"))
    for pattern in _CHAIN_OF_THOUGHT:
        found = re.search(pattern, text)
        if found:
            return _option(found[1], response)
    return None


def _option(said: str, response: Response) -> tuple[str, ...] | None:
    named = [letter for letter, text in zip(LETTERS, response.options, strict=True) if said in (letter, text)]
    right = [letter for letter in named if letter in response.answers]
    return tuple((right or named)[:1]) or None
