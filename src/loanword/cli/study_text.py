"""The text of a study file that `init` writes: every section with the reason for what stands in it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from loanword.cli.survey import Survey
from loanword.evaluation.benchmarks import USUAL

MAX_ROW_TOKENS = 2048
BYTES_PER_TOKEN = 3.0
WANTED_STEPS = 200
BATCH_ROWS = (4, 64)
USED_SHARE = 0.8
USUAL_HELD_OUT = 100
MOST_NEW_PIECES = 10_000
BYTES_PER_NEW_PIECE = 500
"""Of target text, so that each new row is trained some hundred times."""
REPLAY = 0.2
TUNED_ON = (1_000, 5_000)
NEAR_DUPLICATES = 0.8
CLEANING = ("mojibake", "control-characters", "nfc", "repeated-lines", "symbols", "digits", "repeated-ngrams")
INSTRUCTION_RULES = (
    "refusals", "untranslated", "translated-code", "broken-text", "repeated-text", "missing-input", "echo", "too-long"
)  # fmt: skip


def study_text(survey: Survey) -> str:
    """A study in TOML: vocabularies by budgets, and cells for replay and instructions where there is what they need."""
    sections = (
        _head(survey),
        _corpora(survey),
        _pretraining(survey),
        _tuning(survey),
        _measured(survey),
        _axes(survey),
        _further_runs(survey),
    )
    return "\n".join(section for section in sections if section)


def budgets(num_bytes: int) -> list[int]:
    """Amounts of text to compare: none, a fifth, and what leaves room for a held-out split; two digits each."""
    largest = _two_digits(int(USED_SHARE * num_bytes))
    return sorted({0, _two_digits(largest // 5), largest})


def num_new_pieces(num_bytes: int) -> int:
    """Pieces that so much text can teach, in whole hundreds where there are any."""
    wanted = min(MOST_NEW_PIECES, budgets(num_bytes)[-1] // BYTES_PER_NEW_PIECE)
    return max(1, wanted // 100 * 100 or wanted)


def _two_digits(number: int) -> int:
    unit = 10 ** max(0, len(str(number)) - 2)
    return number // unit * unit


def _row_tokens(survey: Survey) -> int:
    return min(MAX_ROW_TOKENS, survey.context_tokens)


def _batch_tokens(survey: Survey) -> int:
    """The largest power of two of rows that still gives the largest budget its steps."""
    row, (least, most) = _row_tokens(survey), BATCH_ROWS
    tokens = budgets(survey.num_bytes)[-1] / BYTES_PER_TOKEN
    rows = least
    while rows < most and tokens / (2 * rows * row) >= WANTED_STEPS:
        rows *= 2
    return rows * row


def _head(survey: Survey) -> str:
    # A folder's whole path says more of one machine than of the base.
    base = PurePath(survey.base).name if PurePath(survey.base).is_absolute() else survey.base
    return f"""\
# {base} taken from {survey.source} to {survey.target}: which vocabulary, and how much text?
#
#   loanword plan THIS_FILE --data DIR      what it builds and what that takes
#   loanword run  THIS_FILE --data DIR      builds it; stop it whenever you like, the same command continues
#
# Paths start at the data root, which --data names (default: the folder that the command runs in).

name = {_string(survey.name)}
summary = {_string(f"{base} from {survey.source} to {survey.target}")}

[recipe]
seed = 1
source = {_string(survey.source)}
target = {_string(survey.target)}

# The base: a folder, or a Hub id (its commit is fixed in a lock file when the study first runs).
[recipe.base]
model = {_string(survey.base)}
"""


def _corpora(survey: Survey) -> str:
    text = f"""\
# Text to train on, put in a seeded order. A line that cannot be read stops the study;
# broken_lines = "quarantine" sets such lines aside and counts them. docs/data.md says what the rules do; the report
# says what they did, with examples. only_language = {{}} would remove documents in other languages.
[recipe.corpus.{survey.target}]
files = {_list(survey.texts)}
held_out_documents = {min(USUAL_HELD_OUT, survey.num_documents // 10)}
near_duplicates = {NEAR_DUPLICATES}
clean.rules = {_list(CLEANING)}
"""
    if survey.source_texts:
        text += f"""
# Text of the source language: mixed in as replay, and what shows that new pieces leave it alone.
[recipe.corpus.{survey.source}]
files = {_list(survey.source_texts)}

# Pieces added to the base's tokenizer. The axis "vocabulary" below sets them: one for each {BYTES_PER_NEW_PIECE} bytes
# of text, {MOST_NEW_PIECES:,} at most. `loanword tokenizer advise` says what other numbers would save and cost.
[recipe.tokenizer]
num_new_pieces = 0
"""
    return text


def _pretraining(survey: Survey) -> str:
    replay = REPLAY if survey.source_texts else 0.0
    return f"""\
# Further pretraining: so much target text, and on top of it `replay` as a share of all rows. A batch is large enough
# to be stable and small enough that the largest budget takes {WANTED_STEPS} steps or more, where there is text enough.
# All budgets share one trunk, which each leaves for its last tenth (decay_share): one more costs a tenth of itself.
[recipe.pretraining]
budget = {{ bytes = 0 }}
replay = {replay}

[recipe.pretraining.steps]
peak_learning_rate = 1e-4
row_tokens = {_row_tokens(survey)}
batch_tokens = {_batch_tokens(survey)}
warmup_steps = 20
decay_share = 0.1
"""


def _tuning(survey: Survey) -> str:
    if not survey.instructions:
        return ""
    return f"""\
# Instruction tuning, on response tokens only. {survey.num_instructions:,} instructions are neither empty nor doubled;
# the rules remove further ones, and the report says which.
[recipe.instructions.{survey.target}]
files = {_list(survey.instructions)}
rules = {_list(INSTRUCTION_RULES)}

[recipe.conversations]
row_tokens = {_row_tokens(survey)}

[recipe.tuning]
num_conversations = 0
epochs = 2

[recipe.tuning.steps]
peak_learning_rate = 5e-5
row_tokens = {_row_tokens(survey)}
batch_tokens = {8 * _row_tokens(survey)}
warmup_steps = 5
"""


def _measured(survey: Survey) -> str:
    text = ""
    if survey.held_out:
        files = "\n".join(f"{language} = {_string(file)}" for language, file in survey.held_out.items())
        window = _row_tokens(survey)
        text += f"""\
# Held-out text, the same bytes for every run. Nothing here may be in the corpora above.
[recipe.likelihoods]
window_tokens = {window}
stride_tokens = {max(1, window // 2)}

[recipe.likelihoods.texts]
{files}
"""
    for name, folder in survey.benchmarks.items():
        text += f"""
[recipe.benchmarks.{name}]
folder = {_string(folder)}
split = {_string(USUAL[name].split)}
"""
    if survey.benchmarks:
        text += f"""
# Which of them a run answers. Subjects can be chosen above: subjects = ["..."].
[recipe.responses]
benchmarks = {_list(survey.benchmarks)}
"""
    return text.lstrip("\n")


def _axes(survey: Survey) -> str:
    text = (
        "# The matrix: every value of one axis with every value of the others. A table may set several keys together.\n"
    )
    if survey.source_texts:
        text += f"""\
[axes.vocabulary.original]
"tokenizer.num_new_pieces" = 0

[axes.vocabulary.extended]
"tokenizer.num_new_pieces" = {num_new_pieces(survey.num_bytes)}

"""
    tables = (
        f'[axes.text.{_string(_label(amount))}]\n"pretraining.budget" = {{ bytes = {amount} }}\n'
        for amount in budgets(survey.num_bytes)
    )
    return text + "\n".join(tables)


def _further_runs(survey: Survey) -> str:
    """Cells beside the matrix, and what is compared with what."""
    largest = budgets(survey.num_bytes)[-1]
    arm = f"extended, {_label(largest)}" if survey.source_texts else _label(largest)
    settings = {"tokenizer.num_new_pieces": num_new_pieces(survey.num_bytes)} if survey.source_texts else {}
    budget = f'"pretraining.budget" = {{ bytes = {largest} }}'
    fixed = "".join(f"{_string(key)} = {value}, " for key, value in settings.items()) + budget
    runs: dict[str, str] = {}
    if survey.source_texts:
        runs[f"{arm}, no replay"] = f'{fixed}, "pretraining.replay" = 0.0'
    for number in TUNED_ON:
        # The rules leave fewer than were counted.
        if USED_SHARE * survey.num_instructions >= number:
            runs[f"{arm}, {number:,} instructions"] = f'{fixed}, "tuning.num_conversations" = {number}'
    text = "# Cells outside the matrix, each on the largest budget.\n" if runs else ""
    text += "\n".join(f"[[runs]]\nname = {_string(name)}\nset = {{ {set_} }}\n" for name, set_ in runs.items())
    prefix = "extended, " if survey.source_texts else ""
    pairs = [(arm, f"{prefix}{_label(0)}")]
    pairs += [(arm, arm.replace("extended", "original"))] if survey.source_texts else []
    pairs += [(name, arm) for name in runs]
    return text + _comparisons(pairs)


def _comparisons(pairs: Iterable[tuple[str, str]]) -> str:
    text = "\n# Arms, and the controls that they are measured against.\n"
    return text + "\n".join(
        f"[[compare]]\narm = {_string(arm)}\ncontrol = {_string(control)}\n" for arm, control in pairs
    )


def _label(num_bytes: int) -> str:
    """An amount of text as runs are named by it."""
    if not num_bytes:
        return "no text"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if num_bytes >= size:
            return f"{num_bytes / size:g} {unit}"
    return f"{num_bytes} bytes"


def _string(text: str) -> str:
    # A JSON string is a TOML string, but for the one control character that JSON lets through.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(items: Sequence[str] | Mapping[str, str]) -> str:
    return f"[{', '.join(_string(item) for item in items)}]"
