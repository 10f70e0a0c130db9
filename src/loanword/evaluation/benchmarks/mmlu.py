"""MMLU: English examination questions, 57 subjects, four options each.

In: folder/{dev,val,test}/<subject>_<split>.csv without a header: question, A, B, C, D, letter.
The number to report is the mean over questions (micro).

Source: hendrycks/test, commit 0f23bce36fb9d6a6dd13d0d84f3f244821d9e646, evaluate.py (prompt) and categories.py.
The official script reads the options `None` and `NA` as missing values and prints `nan`; here they stay text.
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

_NAMES_BY_CATEGORY = {
    "STEM": (
        "abstract_algebra",
        "astronomy",
        "college_biology",
        "college_chemistry",
        "college_computer_science",
        "college_mathematics",
        "college_physics",
        "computer_security",
        "conceptual_physics",
        "electrical_engineering",
        "elementary_mathematics",
        "high_school_biology",
        "high_school_chemistry",
        "high_school_computer_science",
        "high_school_mathematics",
        "high_school_physics",
        "high_school_statistics",
        "machine_learning",
    ),
    "Humanities": (
        "formal_logic",
        "high_school_european_history",
        "high_school_us_history",
        "high_school_world_history",
        "international_law",
        "jurisprudence",
        "logical_fallacies",
        "moral_disputes",
        "moral_scenarios",
        "philosophy",
        "prehistory",
        "professional_law",
        "world_religions",
    ),
    "Social Sciences": (
        "econometrics",
        "high_school_geography",
        "high_school_government_and_politics",
        "high_school_macroeconomics",
        "high_school_microeconomics",
        "high_school_psychology",
        "human_sexuality",
        "professional_psychology",
        "public_relations",
        "security_studies",
        "sociology",
        "us_foreign_policy",
    ),
    "Other": (
        "anatomy",
        "business_ethics",
        "clinical_knowledge",
        "college_medicine",
        "global_facts",
        "human_aging",
        "management",
        "marketing",
        "medical_genetics",
        "miscellaneous",
        "nutrition",
        "professional_accounting",
        "professional_medicine",
        "virology",
    ),
}

SUBJECTS = {
    name: Subject(name, name.replace("_", " "), category)
    for category, names in _NAMES_BY_CATEGORY.items()
    for name in names
}

LAYOUT = CsvLayout(question=0, options=(1, 2, 3, 4), answer=5, num_columns=6)


def load(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Questions of the subjects asked, in the order of `SUBJECTS`.

    Raises:
        UserError: a missing folder or subject; a row that is not a question.
    """
    return load_questions(folder, config, SUBJECTS, LAYOUT)


def prompts(questions: SubjectQuestions) -> list[ChoicePrompt]:
    """One prompt an example, answered by ` A` to ` D`: the space belongs to the answer."""
    # The official subject begins with a space of its own, so two spaces stand before it.
    header = f"The following are multiple choice questions (with answers) about  {questions.subject.title}.\n\n"
    shots = tuple(f"{_question(shot)} {shot.answer}\n\n" for shot in questions.shots)
    choices = tuple(f" {letter}" for letter in LETTERS)
    return [
        ChoicePrompt(id=example.id, header=header, shots=shots, question=_question(example), choices=choices)
        for example in questions.examples
    ]


def _question(example: Example) -> str:
    options = "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, example.options, strict=True))
    return f"{example.question}{options}\nAnswer:"


MMLU = Benchmark(
    name="mmlu",
    language="en",
    chance=0.25,
    licence="MIT",
    source="https://github.com/hendrycks/test",
    subjects=SUBJECTS,
    load=load,
    prompts=prompts,
)
