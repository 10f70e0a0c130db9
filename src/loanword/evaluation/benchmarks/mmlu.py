"""MMLU: English examination questions, 57 subjects, four options each.

In: folder/{dev,val,test}/<subject>_<split>.csv without a header: question, A, B, C, D, letter.
The number to report is the mean over questions (micro), the authors' and lm-eval's; that over subjects is beside it.

Protocols, those of others with 5 shots unless a study says otherwise:
- official, likelihood: ` A` to ` D` after the prompt of evaluate.py, whose header has two spaces before the subject.
- official, generation: the same prompt, answered in words. The authors have no rule for texts; theirs for one position
  is kept: the answer is the letter that the text begins with.
- harness, likelihood and generation: lm-eval's `mmlu` and `mmlu_generative`: one space, a stripped question. lm-eval's
  own default is 0 shots.
- options and options-only: ours, see `statements`; without shots unless a study says otherwise.

The official script reads the option `None` as a missing value and prints `nan`, in 2 prompts of val and 10 of test;
here it stays text, and parity is with the script's own functions on rows read as text.

Source: hendrycks/test, commit 4450500f923c49f1fb1dd3d99108a0bd9717b660, evaluate.py (prompts) and categories.py;
EleutherAI/lm-evaluation-harness 0.4.13, lm_eval/tasks/mmlu/default and generative.
"""

import re
import string
from collections.abc import Sequence
from pathlib import Path

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
from loanword.evaluation.csv_questions import CsvLayout, load_questions
from loanword.evaluation.lettered import Wording, lettered_options, robust_letter
from loanword.evaluation.statements import Statements
from loanword.recipe import BenchmarkConfig
from loanword.records import Response

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
    """Questions of the subjects asked, in the order of `SUBJECTS`, then those of the folder's own.

    Raises:
        UserError: a missing folder or subject; a row that is not a question.
    """
    return _STATEMENTS.prepared(load_questions(folder, config, SUBJECTS, LAYOUT), config)


def _header(subject: Subject) -> str:
    # The official subject begins with a space of its own, so two spaces stand before it.
    return f"The following are multiple choice questions (with answers) about  {subject.title}.\n\n"


def _harness_header(subject: Subject) -> str:
    return f"The following are multiple choice questions (with answers) about {subject.title}.\n\n"


def _question(example: Example) -> str:
    return f"{example.question}{lettered_options(example)}\nAnswer:"


def _harness_question(example: Example) -> str:
    return f"{example.question.strip()}{lettered_options(example)}\nAnswer:"


# The space belongs to the answer: ` A` is one piece where `A` after a space would be another.
_CHOICES = tuple(f" {letter}" for letter in LETTERS)

_OFFICIAL = Wording(
    _header, _question, solved=lambda shot: f"{_question(shot)} {shot.answers[0]}\n\n", choices=_CHOICES
)
_HARNESS = Wording(
    _harness_header,
    _harness_question,
    solved=lambda shot: f"{_harness_question(shot)} {shot.answers[0]}\n\n",
    choices=_CHOICES,
)

_STATEMENTS = Statements(cued=lambda _, example: f"{example.question.strip()}\nAnswer: ")

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def first_letter(response: Response) -> tuple[str] | None:
    """The letter that a text begins with, after spaces, if no letter or digit follows: `DNA` and `A型` give none."""
    found = re.match(r"\s*([A-D])(?!\w)", response.texts[-1])
    return (found[1],) if found else None


def letter_alone(response: Response) -> tuple[str] | None:
    """The letter, large or small, that is all of a text's first line but for ASCII punctuation around it.

    Source: EleutherAI/lm-evaluation-harness 0.4.13, lm_eval/tasks/mmlu/generative/_default_template_yaml.
    """
    line = response.texts[-1].split("\n")[0].strip().translate(_NO_PUNCTUATION).upper()
    return (line,) if line in LETTERS else None


def scores(subjects: Sequence[Subject]) -> list[Score]:
    """Accuracy over questions (micro), which is the official number, over subjects, and by category."""
    names = tuple(subject.name for subject in subjects)
    return [
        Score("accuracy", "questions", names),
        Score("mean of subjects", "subjects", names),
        *by_category(subjects, "questions"),
    ]


MMLU = Benchmark(
    name="mmlu",
    title="MMLU",
    language="en",
    licence="MIT",
    source="https://github.com/hendrycks/test",
    subjects=SUBJECTS,
    load=load,
    protocols={
        "official": {
            "likelihood": Asking(_OFFICIAL.choice_prompts, single_mark, letter_chance, num_shots=5),
            # An answer ends where the next shot would begin. 32 tokens hold a sentence that robust extraction can read.
            "generation": Asking(
                _OFFICIAL.open_prompts,
                single_mark,
                letter_chance,
                num_shots=5,
                read=first_letter,
                robust=robust_letter,
                max_new_tokens=32,
                stop=("\n\n",),
            ),
        },
        "harness": {
            "likelihood": Asking(_HARNESS.choice_prompts, single_mark, letter_chance, num_shots=5),
            # Source: generative/_default_template_yaml (until); models/huggingface.py (max_gen_toks).
            "generation": Asking(
                _HARNESS.open_prompts,
                single_mark,
                letter_chance,
                num_shots=5,
                read=letter_alone,
                robust=robust_letter,
                max_new_tokens=256,
                stop=("</s>", "\n"),
            ),
        },
        **_STATEMENTS.protocols(single_mark, letter_chance),
    },
    scores=scores,
)
