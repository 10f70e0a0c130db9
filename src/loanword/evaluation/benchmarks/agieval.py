"""AGIEval: admission and qualification examinations in English and Chinese, 21 files, 19 of them with options.

In: the repository's `data` folder, see `agieval_tasks`.

Tasks. The authors count 20: the README has "two cloze tasks and 18 multi-choice question answering tasks", and its
table names all files but sat-en-without-passage, whose 206 questions are those of sat-en without what they are about.
That file is asked where it is named; the averages are over the 20 tasks (8,063 examples), each as much as another.
The authors' script sums over all 21 files and divides by 21, which is reported too where the 21st is asked. The study
"LLaMA Beyond English" (arXiv 2401.01055) counts 19 tasks without saying which: no choice of files here stands for its
number. English and Chinese are as in the authors' code, which files gaokao-english under English; other harnesses do
not.

Official protocol. `generation` without shots is the authors' zero-shot setting, with shots their few-shot setting;
`chain-of-thought` is zero-shot-CoT, two calls, and few-shot-CoT, one. Where we differ, or they left a choice open:

- Their script can send zero-shot answers through the second call as well; that is switched off at this commit, and
  here.
- They drop solved examples beyond 2,048 tokens of GPT-4's tokenizer; here those go that the model's context has no
  room for. The question keeps the number that follows on all examples, so numbers have a gap where some were dropped.
- A solved example ends in "<END>" and a line break, as in their script (the functions' default is the line break
  alone), and generation stops there, after 2,000 tokens at most.
- To chat models they give solved examples as turns; here they are one text, in the user's turn. The system's turn is
  theirs.
- `likelihood` is not theirs: the zero-shot prompt, then a letter: after a space in English, where the prompt ends in
  a word, and without one in Chinese. It names one letter, so a label of several letters cannot be met.

Options and options-only are ours (see `statements`). Where the question has no blank the option follows the zero-shot
prompt of a question without options. Solved statements are the few-shot setting's examples that have one right letter
and options that stand apart, which those of gaokao-geography do not.

Harness protocol. `likelihood` scores the options as they are published, after the zero-shot prompt and a space, and a
hit is any letter of the label; `generation` is how it asks the two cloze tasks. All 21 files are asked, and its
number is the mean over questions. It reads sets of the Hub (hails/agieval-*), which could not be read when this was
written. Their cards say that they were made from the commit below as its code does it, following older sets
(dmayhem93/agieval-*); nine cards were found that give a size, and eight of these are, to the byte, that of a table of
the zero-shot prompts, options and labels: sat-math, lsat-rc, math, gaokao-mathcloze, and of the older sets aqua-rat,
lsat-lr, gaokao-history, gaokao-mathqa. The ninth is the older gaokao-chinese, which this commit has changed. The
Hub's jec-qa-ca has 999 of the 1,000 examples; which one it leaves out is not said, and here none is.

Source: ruixiangcui/AGIEval, commit 5c77d073fda993f1652eaae3cf5d04cc5fd21d40, src/dataset_loader.py (prompts),
run_prediction.py ("<END>"), openai_api.py (system's turn, length), post_process_and_evaluation.py (average);
EleutherAI/lm-evaluation-harness, version 0.4.13, lm_eval/tasks/agieval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loanword.evaluation.benchmark import Asking, Benchmark, Example, Score, Subject, SubjectQuestions
from loanword.evaluation.benchmarks.agieval_answers import (
    chance,
    harness_chance,
    harness_mark,
    harness_read,
    mark,
    read_plain,
    read_reasoned,
    robust_plain,
    robust_reasoned,
)
from loanword.evaluation.benchmarks.agieval_options import unmarked
from loanword.evaluation.benchmarks.agieval_tasks import CLOZE, LETTERS, REPEATED, SUBJECTS, load_tasks
from loanword.evaluation.statements import Statements
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig

SYSTEM = "You are a helpful AI assistant."
END = "<END>"
MAX_NEW_TOKENS = 2000
FOLLOW_UP_TOKENS = 64
"""Of the second call's answer, which is a letter or a number: the first call would else fill a small context."""


@dataclass(frozen=True)
class Wording:
    """The authors' words in one language; `{}` stands for a number or for the last option's letter."""

    question: str
    options: str
    choose: str
    fill: str
    reason_choose: str
    reason_fill: str
    therefore_choose: str
    therefore_fill: str
    header: str
    problem: str
    problem_options: str
    explanation: str
    answer: str


WORDINGS = {
    "English": Wording(
        question="Q: ",
        options=" Answer Choices: ",
        choose="A: Among A through {}, the answer is",
        fill="A: The answer is",
        reason_choose="Let's think step by step.",
        reason_fill="A: Let's think step by step.",
        therefore_choose="Therefore, among A through E, the answer is",
        therefore_fill="Therefore, the answer is",
        header="Here are the answers for the problems in the exam.\n",
        problem="Problem {}.   ",
        problem_options="Choose from the following options:    ",
        explanation="Explanation for Problem {}:   ",
        answer="The answer is therefore ",
    ),
    "Chinese": Wording(
        question="问题：",
        options=" 选项：",
        choose="答案：从A到{}, 我们应选择",
        fill="答案：",
        reason_choose="从A到{}, 我们应选择什么？让我们逐步思考：",
        reason_fill="答案：让我们逐步思考：",
        therefore_choose="因此，从A到D, 我们应选择",
        therefore_fill="因此，答案是",
        header="以下是考试中各个问题的答案。\n",
        problem="问题 {}.   ",
        problem_options="从以下选项中选择:    ",
        explanation="问题 {}的解析:   ",
        answer="答案是 ",
    ),
}


def plain_prompts(questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
    """One prompt an example, zero-shot or few-shot; what is asked for is the answer alone."""
    if questions.shots:
        return _few_shot(questions, config, explained=False)
    return [_open(example.id, zero_shot(questions.subject, example), config) for example in questions.examples]


def reasoned_prompts(questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
    """One prompt an example, for a chain of thought: the first of two calls without shots, the only one with them."""
    if questions.shots:
        return _few_shot(questions, config, explained=True)
    return [_open(example.id, _first_call(questions.subject, example), config) for example in questions.examples]


def second_call(prompt: OpenPrompt, text: str) -> OpenPrompt | None:
    """The prompt that asks for the answer after the reasoning that a first one brought; None with shots."""
    if prompt.shots:
        return None
    task = prompt.id.partition("/")[0]
    words = WORDINGS[SUBJECTS[task].category]
    suffix = words.therefore_fill if task in CLOZE else words.therefore_choose
    return replace(prompt, question=f"{prompt.question}\n{text}\n{suffix}")


def letter_prompts(questions: SubjectQuestions, _: BenchmarkConfig) -> list[ChoicePrompt]:
    """The zero-shot prompt of each example, answered by a letter."""
    space = _space(questions.subject)
    return [
        ChoicePrompt(
            id=example.id,
            header="",
            shots=(),
            question=zero_shot(questions.subject, example),
            choices=tuple(f"{space}{letter}" for letter in LETTERS[: len(example.options)]),
        )
        for example in questions.examples
    ]


def option_prompts(questions: SubjectQuestions, _: BenchmarkConfig) -> list[ChoicePrompt]:
    """The zero-shot prompt of each example, answered by an option as it is published."""
    return [
        ChoicePrompt(
            id=example.id,
            header="",
            shots=(),
            question=zero_shot(questions.subject, example),
            choices=tuple(f" {option}" for option in example.options),
        )
        for example in questions.examples
    ]


def harness_prompts(questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
    """The zero-shot prompt of each example, without a system's turn."""
    return [replace(prompt, system="") for prompt in plain_prompts(questions, config)]


def _space(subject: Subject) -> str:
    return " " if subject.category == "English" else ""


def zero_shot(subject: Subject, example: Example) -> str:
    """The authors' zero-shot prompt."""
    words = WORDINGS[subject.category]
    end = words.choose.format(_last_letter(example)) if example.options else words.fill
    return _question(words, example) + end


def _cued(subject: Subject, example: Example) -> str:
    return zero_shot(subject, replace(example, options=())) + _space(subject)


_STATEMENTS = Statements(_cued, LETTERS)


def load(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Examples and shots of the tasks asked, as `load_tasks` gives them; of statements, without marks of options."""
    return _STATEMENTS.prepared(load_tasks(folder, config), config, unmarked)


def _first_call(subject: Subject, example: Example) -> str:
    words = WORDINGS[subject.category]
    end = words.reason_choose.format(_last_letter(example)) if example.options else words.reason_fill
    return _question(words, example) + end


def _question(words: Wording, example: Example) -> str:
    options = words.options + " ".join(example.options) if example.options else ""
    return f"{example.passage}{words.question}{example.question}{options}\n"


def _last_letter(example: Example) -> str:
    return LETTERS[len(example.options) - 1]


def _few_shot(questions: SubjectQuestions, config: BenchmarkConfig, *, explained: bool) -> list[OpenPrompt]:
    words = WORDINGS[questions.subject.category]
    shots = tuple(_shot(words, number, shot, explained) for number, shot in enumerate(questions.shots, start=1))
    number = len(shots) + 1
    return [
        _open(example.id, _problem(words, number, example), config, header=words.header, shots=shots)
        for example in questions.examples
    ]


def _shot(words: Wording, number: int, shot: Example, explained: bool) -> str:
    explanation = f"{words.explanation.format(number)}{shot.explanation}\n" if explained else ""
    return f"{_problem(words, number, shot)}{explanation}{words.answer}{shot.answers[0]}\n{END}\n"


def _problem(words: Wording, number: int, example: Example) -> str:
    named = words.problem.format(number)
    if not example.options:
        return f"{named}{example.question}\n"
    options = words.problem_options + " ".join(example.options)
    return f"{named}{example.passage} {example.question}\n{options}\n"


def _open(
    id: str, question: str, config: BenchmarkConfig, *, header: str = "", shots: tuple[str, ...] = ()
) -> OpenPrompt:
    return OpenPrompt(id, header, shots, question, system=SYSTEM if config.chat else "", chat=config.chat)


def scores(subjects: Sequence[Subject]) -> list[Score]:
    """The mean over tasks, then over those of either language, without the file that repeats sat-en; over questions."""
    names = tuple(subject.name for subject in subjects)
    tasks = tuple(name for name in names if name != REPEATED) or names
    languages = {
        language: tuple(name for name in tasks if SUBJECTS[name].category == language) for language in WORDINGS
    }
    return [
        Score("average", "subjects", tasks),
        *(Score(f"{language} average", "subjects", of, is_part=True) for language, of in languages.items() if of),
        Score("over questions", "questions", names),
        *([Score("average of all files", "subjects", names)] if REPEATED in names else []),
    ]


AGIEVAL = Benchmark(
    name="agieval",
    title="AGIEval",
    language="mul",
    licence="MIT; LogiQA, JEC-QA, MATH and AQuA-RAT under their own terms",
    source="https://github.com/ruixiangcui/AGIEval",
    subjects=SUBJECTS,
    load=load,
    protocols={
        "official": {
            "generation": Asking(
                plain_prompts,
                mark,
                chance,
                read=read_plain,
                robust=robust_plain,
                max_new_tokens=MAX_NEW_TOKENS,
                stop=(END,),
            ),
            "chain-of-thought": Asking(
                reasoned_prompts,
                mark,
                chance,
                read=read_reasoned,
                robust=robust_reasoned,
                follow_up=second_call,
                follow_up_tokens=FOLLOW_UP_TOKENS,
                max_new_tokens=MAX_NEW_TOKENS,
                stop=(END,),
            ),
            "likelihood": Asking(letter_prompts, mark, chance),
        },
        # Source: lm_eval/tasks/agieval/math.yaml (32 tokens, up to the next question).
        "harness": {
            "likelihood": Asking(option_prompts, harness_mark, harness_chance, headline="over questions"),
            "generation": Asking(
                harness_prompts,
                harness_mark,
                harness_chance,
                read=harness_read,
                max_new_tokens=32,
                stop=("Q:",),
                headline="over questions",
            ),
        },
        **_STATEMENTS.protocols(mark, chance),
    },
    scores=scores,
    has_splits=False,
)
