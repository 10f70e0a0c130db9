"""C-Eval: Chinese examination questions, 52 subjects, four options each.

In: folder/{dev,val,test}/<subject>_<split>.csv with the header id,question,A,B,C,D[,answer[,explanation]].
The number to report is the mean over subjects (macro); C-Eval Hard is the mean over the subjects marked hard.

Source: hkust-nlp/ceval, commit 802229fee547c3a0807b44e5df88581790f9ee88,
code/evaluator_series/evaluators/llama.py (prompt, answer-only) and subject_mapping.json (names, categories).
"""

from pathlib import Path

from loanword.evaluation.benchmark import (
    LETTERS,
    Benchmark,
    CsvLayout,
    Example,
    Subject,
    SubjectQuestions,
    load_questions,
)
from loanword.protocols import ChoicePrompt
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

LAYOUT = CsvLayout(question="question", options=LETTERS, answer="answer")


def load(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Questions of the subjects asked, in the order of `SUBJECTS`.

    Raises:
        UserError: a missing folder, subject, column or label; a row that is not a question.
    """
    return load_questions(folder, config, SUBJECTS, LAYOUT)


def prompts(questions: SubjectQuestions) -> list[ChoicePrompt]:
    """One prompt an example, answered by the letter that follows `答案：` without a space."""
    header = f"以下是中国关于{questions.subject.title}考试的单项选择题，请选出其中的正确答案。\n\n"
    shots = tuple(f"{_question(shot)}{shot.answer}\n\n" for shot in questions.shots)
    return [
        ChoicePrompt(id=example.id, header=header, shots=shots, question=_question(example), choices=LETTERS)
        for example in questions.examples
    ]


def _question(example: Example) -> str:
    options = "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, example.options, strict=True))
    return f"{example.question}{options}\n答案："


CEVAL = Benchmark(
    name="ceval",
    language="zh",
    chance=0.25,
    licence="CC-BY-NC-SA-4.0",
    source="https://github.com/hkust-nlp/ceval",
    subjects=SUBJECTS,
    load=load,
    prompts=prompts,
)
