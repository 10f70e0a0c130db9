"""C-Eval: Chinese examination questions, 52 subjects, four options each.

In: folder/{dev,val,test}/<subject>_<split>.csv with the header id,question,A,B,C,D[,answer[,explanation]].
The number to report is the mean over subjects (macro), C-Eval Hard that over the subjects marked hard; lm-eval's is the
mean over questions. Labels of the test split are in the release of 2025-07-27 and withheld in those before it.

Protocols:
- official, likelihood: the letters after `答案：`. 5 shots, the authors' setting for models without instruction tuning.
  They score the piece that a letter by itself begins with, which is `choice_ids` isolated; in-context is the one that
  the prompt would go on with.
- official, generation: the same prompt, answered in words. 0 shots, their setting after instruction tuning. In a chat
  (their chatgpt.py) a system message stands before it; shots stand in the one message of the user, where the authors
  give each two turns.
- official, chain-of-thought: the prompt goes on to the first step, and shots show their explanations. The authors draw
  at temperature 0.8 and top_p 0.95, and advise to decode greedily (resources/tutorial.md, 4), which is done here unless
  a study says otherwise. They stop at EOS or 512 tokens and at no text, and so does this.
- harness, likelihood: lm-eval's `ceval-valid`: the header without 考试, a stripped question, a space before the letter.
  lm-eval's own default is 0 shots.
- options and options-only: ours, see `statements`; without shots unless a study says otherwise.

Without shots the header stays, as in the authors' chatgpt.py and README.md; their llama.py fails without shots. The
subject's name is the Chinese one of subject_mapping.json, as README.md shows.

Source: hkust-nlp/ceval, commit cba65ae93bcf189149ced9f66ae0c958201faed9, code/evaluator_series/evaluators/llama.py and
chatgpt.py (prompts), subject_mapping.json (names, categories); EleutherAI/lm-evaluation-harness 0.4.13,
lm_eval/tasks/ceval.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loanword.errors import UserError
from loanword.evaluation.benchmark import (
    LETTERS,
    Asking,
    Benchmark,
    Example,
    Score,
    Subject,
    SubjectQuestions,
    by_category,
    letter_chance,
    single_mark,
)
from loanword.evaluation.benchmarks.ceval_answers import FIRST_STEP, THINKING, answer_only, chain_of_thought
from loanword.evaluation.csv_questions import CsvLayout, load_questions
from loanword.evaluation.lettered import Wording, lettered_options, robust_letter
from loanword.evaluation.statements import Statements
from loanword.recipe import BenchmarkConfig

_TITLES_BY_CATEGORY = {
    "STEM": {
        "advanced_mathematics": "高等数学",
        "college_chemistry": "大学化学",
        "college_physics": "大学物理",
        "college_programming": "大学编程",
        "computer_architecture": "计算机组成",
        "computer_network": "计算机网络",
        "discrete_mathematics": "离散数学",
        "electrical_engineer": "注册电气工程师",
        "high_school_biology": "高中生物",
        "high_school_chemistry": "高中化学",
        "high_school_mathematics": "高中数学",
        "high_school_physics": "高中物理",
        "metrology_engineer": "注册计量师",
        "middle_school_biology": "初中生物",
        "middle_school_chemistry": "初中化学",
        "middle_school_mathematics": "初中数学",
        "middle_school_physics": "初中物理",
        "operating_system": "操作系统",
        "probability_and_statistics": "概率统计",
        "veterinary_medicine": "兽医学",
    },
    "Social Science": {
        "business_administration": "工商管理",
        "college_economics": "大学经济学",
        "education_science": "教育学",
        "high_school_geography": "高中地理",
        "high_school_politics": "高中政治",
        "mao_zedong_thought": "毛泽东思想和中国特色社会主义理论体系概论",
        "marxism": "马克思主义基本原理",
        "middle_school_geography": "初中地理",
        "middle_school_politics": "初中政治",
        "teacher_qualification": "教师资格",
    },
    "Humanities": {
        "art_studies": "艺术学",
        "chinese_language_and_literature": "中国语言文学",
        "high_school_chinese": "高中语文",
        "high_school_history": "高中历史",
        "ideological_and_moral_cultivation": "思想道德修养与法律基础",
        "law": "法学",
        "legal_professional": "法律职业资格",
        "logic": "逻辑学",
        "middle_school_history": "初中历史",
        "modern_chinese_history": "近代史纲要",
        "professional_tour_guide": "导游资格",
    },
    "Other": {
        "accountant": "注册会计师",
        "basic_medicine": "基础医学",
        "civil_servant": "公务员",
        "clinical_medicine": "临床医学",
        "environmental_impact_assessment_engineer": "环境影响评价工程师",
        "fire_engineer": "注册消防工程师",
        "physician": "医师资格",
        "plant_protection": "植物保护",
        "sports_science": "体育学",
        "tax_accountant": "税务师",
        "urban_and_rural_planner": "注册城乡规划师",
    },
}

# Source: arXiv 2305.08322 (C-Eval Hard).
_HARD = {
    "advanced_mathematics",
    "college_chemistry",
    "college_physics",
    "discrete_mathematics",
    "high_school_chemistry",
    "high_school_mathematics",
    "high_school_physics",
    "probability_and_statistics",
}

SUBJECTS = {
    name: Subject(name, title, category, hard=name in _HARD)
    for category, titles in _TITLES_BY_CATEGORY.items()
    for name, title in titles.items()
}

LAYOUT = CsvLayout(
    question="question", options=LETTERS, answer="answer", id="id", explanation="explanation", withheld=("test",)
)


def load(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Questions of the subjects asked, in the order of `SUBJECTS`, then those of the folder's own.

    A test split without labels has no answers.

    Raises:
        UserError: a missing folder, subject, column or label; a row that is not a question; shots of a chain of thought
            that lack their explanations.
    """
    asked = load_questions(folder, config, SUBJECTS, LAYOUT)
    if config.answering == "chain-of-thought":
        _require_explanations(folder, asked)
    return _STATEMENTS.prepared(asked, config)


def _require_explanations(folder: Path, asked: Sequence[SubjectQuestions]) -> None:
    silent = [shot.id for questions in asked for shot in questions.shots if not shot.explanation.strip()]
    if silent:
        raise UserError(
            folder / "dev",
            f"no explanation of {', '.join(silent[:3])}{' and more' if silent[3:] else ''}",
            expected="a column explanation, which shots of a chain of thought show",
            do="fetch the files again, or set num_shots 0",
        )


def _header(subject: Subject) -> str:
    return f"以下是中国关于{subject.title}考试的单项选择题，请选出其中的正确答案。\n\n"


def _system(subject: Subject) -> str:
    return f"你是一个中文人工智能助手，以下是中国关于{subject.title}考试的单项选择题，请选出其中的正确答案。"


def _harness_header(subject: Subject) -> str:
    return f"以下是中国关于{subject.title}的单项选择题，请选出其中的正确答案。\n\n"


def _question(example: Example) -> str:
    return f"{example.question}{lettered_options(example)}\n答案："


def _thinking_question(example: Example) -> str:
    return _question(example) + THINKING + FIRST_STEP


def _thinking_solved(example: Example) -> str:
    return f"{_question(example)}{THINKING}，\n{example.explanation}\n所以答案是{example.answers[0]}。\n\n"


def _harness_question(example: Example) -> str:
    return f"{example.question.strip()}{lettered_options(example)}\n答案："


_DIRECT = Wording(_header, _question, solved=lambda shot: f"{_question(shot)}{shot.answers[0]}\n\n", system=_system)
_THINKING = Wording(_header, _thinking_question, _thinking_solved, system=_system)
_HARNESS = Wording(
    _harness_header,
    _harness_question,
    solved=lambda shot: f"{_harness_question(shot)} {shot.answers[0]}\n\n",
    choices=tuple(f" {letter}" for letter in LETTERS),
)

_STATEMENTS = Statements(cued=lambda _, example: f"{example.question.strip()}\n答案：")

# Source: llama.py, eval_subject (max_gen_len); answers without a chain of thought have no limit in chatgpt.py.
_MAX_NEW_TOKENS = 512


def scores(subjects: Sequence[Subject]) -> list[Score]:
    """Mean over subjects (macro), which is the official number, over the hard ones, over questions, and by category."""
    names = tuple(subject.name for subject in subjects)
    hard = tuple(subject.name for subject in subjects if subject.hard)
    return [
        Score("accuracy", "subjects", names),
        *([Score("C-Eval Hard", "subjects", hard)] if hard else []),
        Score("over questions", "questions", names),
        *by_category(subjects, "subjects"),
    ]


def submission(given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What was given to each example id, as C-Eval's server takes it: `{subject: {id in its csv: letter}}`.

    Subjects are in published order, behind them those of a folder's own; those of which nothing was asked are left out.
    Where no answer could be read the letter is the empty text: the format has no word for that, and a letter would be a
    guess.

    Source: hkust-nlp/ceval, README_zh.md and submission_example.json.
    """
    submitted: dict[str, dict[str, str]] = {}
    for example_id, letter in given.items():
        subject, _, number = example_id.split("/", 2)
        submitted.setdefault(subject, {})[number] = letter
    return {name: submitted[name] for name in (*SUBJECTS, *submitted) if name in submitted}


CEVAL = Benchmark(
    name="ceval",
    title="C-Eval",
    language="zh",
    licence="CC-BY-NC-SA-4.0",
    source="https://github.com/hkust-nlp/ceval",
    subjects=SUBJECTS,
    load=load,
    protocols={
        "official": {
            "likelihood": Asking(_DIRECT.choice_prompts, single_mark, letter_chance, num_shots=5),
            "generation": Asking(
                _DIRECT.open_prompts,
                single_mark,
                letter_chance,
                read=answer_only,
                robust=robust_letter,
                max_new_tokens=_MAX_NEW_TOKENS,
            ),
            "chain-of-thought": Asking(
                _THINKING.open_prompts,
                single_mark,
                letter_chance,
                num_shots=5,
                read=chain_of_thought,
                robust=robust_letter,
                max_new_tokens=_MAX_NEW_TOKENS,
            ),
        },
        "harness": {
            "likelihood": Asking(
                _HARNESS.choice_prompts, single_mark, letter_chance, num_shots=5, headline="over questions"
            )
        },
        **_STATEMENTS.protocols(single_mark, letter_chance),
    },
    scores=scores,
)
