import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer
from loanword.evaluation.benchmarks import asking_of, settled
from loanword.evaluation.benchmarks.agieval import AGIEVAL
from loanword.evaluation.benchmarks.agieval_options import unmarked
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from tests.evaluation.conftest import GOLDEN as FOLDER
from tests.evaluation.conftest import write_rows
from tests.evaluation.models import Ruled

GOLDEN: dict[str, Any] = json.loads((FOLDER / "agieval.json").read_text("utf-8"))


def config(**settings: object) -> BenchmarkConfig:
    written = {"name": "agieval", "folder": "agieval", "protocol": "options"} | settings
    return settled(BenchmarkConfig.model_validate(written))


@dataclass
class Likes(Ruled):
    """Finds the choice at one place likeliest."""

    place: int = 0

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        return tuple(-1.0 - (place != self.place) for place in range(len(prompt.choices)))


def statements(folder: Path, *tasks: str, **settings: object) -> dict[str, ChoicePrompt]:
    how = config(subjects=tasks, **settings)
    made = [one for questions in AGIEVAL.load(folder, how) for one in asking_of(how).prompts(questions, how)]
    return {prompt.id: prompt for prompt in made if isinstance(prompt, ChoicePrompt)}


def test_an_option_without_its_mark_follows_the_zero_shot_prompt_of_a_question_without_options(agieval_folder: Path):
    made = statements(agieval_folder, "lsat-ar", "sat-math", "logiqa-zh", "gaokao-physics")
    assert {id: (prompt.header, prompt.shots, prompt.question, prompt.choices) for id, prompt in made.items()} == {
        "lsat-ar/0": (
            "",
            (),
            "Five kites, J, K, L, M and N, fly in a row from left to right.Q: If J flies first, which kite cannot fly"
            " second?\nA: The answer is",
            (" K", " L", " M", " N", " none of them"),
        ),
        "sat-math/0": (
            "",
            (),
            "Q: A jug holds 3 cups. How many cups do 4 jugs hold?\nA: The answer is",
            (" 7", " 12", " 15", " 34"),
        ),
        "logiqa-zh/0": (
            "",
            (),
            "村里的每一条船都是蓝色的。问题：下面哪一项一定为真？\n答案：",
            ("没有红船", "有红船", "有绿船", "没有船"),
        ),
        "gaokao-physics/0": (
            "",
            (),
            "问题：一个球从高处落下，正确的是：\n答案：",
            ("速度变大", "速度变小", "球变重", "球变轻"),
        ),
        "gaokao-physics/1": (
            "",
            (),
            "问题：一盏灯亮着，正确的是：\n答案：",
            ("有电流", "没有电流", "发热", "结冰"),
        ),
    }


def test_a_passage_stands_before_a_statement_with_its_blank_filled(agieval_folder: Path):
    row = GOLDEN["items"]["sat-en"][0] | {"question": "The mill is ____ when she comes."}
    write_rows(agieval_folder / "v1" / "sat-en.jsonl", [row])
    prompt = statements(agieval_folder, "sat-en")["sat-en/0"]
    assert prompt.question == "The mill had stood idle for years when Ada came.\nThe mill is"
    assert prompt.choices[2] == " unused when she comes."


def test_solved_statements_are_those_with_one_right_letter(agieval_folder: Path):
    made = statements(agieval_folder, "sat-math", "jec-qa-kd", "gaokao-physics", "lsat-lr", num_shots=2)
    assert {id: prompt.shots for id, prompt in made.items() if id.endswith("/0")} == {
        "sat-math/0": ("Q: What is 1 + 1?\nA: The answer is 2\n\n", "Q: What is 2 + 1?\nA: The answer is 3\n\n"),
        "jec-qa-kd/0": ("问题：过马路应当：\n答案：看灯\n\n",),
        "gaokao-physics/0": ("问题：冰：\n答案：冷\n\n",),
        "lsat-lr/0": (),
    }
    path = agieval_folder / "few_shot_prompts.csv"
    together = path.read_text("utf-8").replace(
        "['(A)1', '(B)2', '(C)3', '(D)4'], 'label': 'B'", "['A. 1 B. 2'], 'label': 'A'"
    )
    path.write_text(together, encoding="utf-8")
    assert len(statements(agieval_folder, "sat-math", num_shots=2)["sat-math/0"].shots) == 1, "options stand together"


@pytest.mark.parametrize(
    ("published", "texts"),
    [
        (("(A)one", "(B) two", "(C)\tthree", "(D)four "), ("one", "two", "three", "four")),
        (("   A . A kite ", "(B)Kite", "   C .Kites", "(D)The"), ("A kite", "Kite", "Kites", "The")),
        (("A？甲", "B: 乙", "C、丙", "D。丁"), ("甲", "乙", "丙", "丁")),
        (("A? one", "B: two", "(C)three", "D four"), ("one", "two", "three", "four")),
        (("(A)A man", "(B)B", "(C)C. is", "(D)"), ("A man", "B", "C. is", "")),
        (("A．F", "C．L", "(B) G", "(D) M"), ("F", "G", "L", "M")),
        (("(A)a", "(B)b", "(C)c", "(C)d"), ("a", "b", "c", "d")),
        (("A man", "The dog", "(C)c", "(D)d"), ("A man", "The dog", "c", "d")),
        (("A. one", "二", "C. three", "B. two"), ("one", "二", "three", "B. two")),
    ],
)
def test_options_lose_their_marks_and_stand_in_their_order(published: tuple[str, ...], texts: tuple[str, ...]):
    assert unmarked(published) == texts


def test_a_statement_of_several_right_options_is_marked_as_a_letter_is(agieval_folder: Path):
    for protocol in ("options", "options-only"):
        how = config(protocol=protocol, subjects=("gaokao-physics", "gaokao-mathqa"))
        physics, mathqa = AGIEVAL.load(agieval_folder, how)
        for place in range(4):
            model = Likes(place=place)
            asked = [one for of in (physics, mathqa) for one in answer(model, "agieval", of, asking_of(how), how)]
            graded = [grade(one, asking_of(how), GradesConfig()) for one in asked]
            assert [one.given for one in graded] == ["ABCD"[place]] * 3
            assert [one.score for one in graded] == [place == 0, 0, 0], "labels: A; A and C; AB"
        assert [asking_of(how).chance(physics.subject, example) for example in physics.examples] == [0.25, 0]
        assert mathqa.malformed == {"gaokao-mathqa/0": "the label 'AB' is not one letter"}


def test_cloze_tasks_make_no_statements(agieval_folder: Path):
    assert len(AGIEVAL.load(agieval_folder, config())) == 18
    with pytest.raises(UserError, match="math cannot be answered by likelihood in the options protocol"):
        AGIEVAL.load(agieval_folder, config(subjects=("math",)))
