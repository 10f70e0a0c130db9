"""The verdict on a larger vocabulary in words, each by a rule on computed numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.model.vocabulary_cost import VocabularyCost, tokens_saved
from loanword.records import TokenizerMeasure
from loanword.report.gather import RunRecords
from loanword.report.statistics import PairedDifference
from loanword.report.vocabulary import FROM_THE_START, NEVER, BreakEven, Measured, Reading, VocabularyPair
from loanword.report.wording import bytes_text, count_text, decimal, joined, language_name, percent, signed

NO_BREAK = "\u00a0"
COMPUTE_NOT_MEASURED = " (compute not measured)"


@dataclass(frozen=True)
class Answer:
    """Whether a larger vocabulary is worth it for one language: in a few words, in one sentence, and arm by arm."""

    language: str
    outcome: str
    short: str
    points: tuple[str, ...]

    @property
    def heading(self) -> str:
        return f"A larger vocabulary for {language_name(self.language)}: {self.outcome}"

    @property
    def tone(self) -> str:
        return {"yes": "good", "no": "bad"}.get(self.outcome, "")


@dataclass(frozen=True)
class Side:
    """What one language's text is to one vocabulary; None what is not known. `row_tokens` is a full training row."""

    tokens_per_byte: float | None
    tokens_per_character: float | None
    cost: VocabularyCost | None
    context_tokens: int | None
    row_tokens: int | None


def sides(pair: VocabularyPair) -> tuple[Side, Side]:
    """The control and the arm on one text: both tokenizers' held-out text, else the documents of bits per byte."""
    runs = (_known(pair.control.runs), _known(pair.arm.runs))
    of_base = runs[1].extension.base_measures if runs[1].extension else ()
    before = _measure(of_base, pair.target) or _measure(runs[0].measures, pair.target)
    after = _measure(runs[1].measures, pair.target)
    if before and after:
        rates = [(1 / one.bytes_per_token, one.tokens_per_character) for one in (before, after)]
    elif pair.last and pair.last.control and pair.last.arm:
        rates = [(pair.last.control.tokens_per_byte, None), (pair.last.arm.tokens_per_byte, None)]
    else:
        rates = [(None, None), (None, None)]
    control, arm = (_side(run, *rate) for run, rate in zip(runs, rates, strict=True))
    return control, arm


def _measure(measures: Sequence[TokenizerMeasure], language: str) -> TokenizerMeasure | None:
    return next((one for one in measures if one.language == language), None)


def _known(runs: Sequence[RunRecords]) -> RunRecords:
    return next((run for run in reversed(runs) if run.decoder), runs[-1])


def _side(run: RunRecords, tokens_per_byte: float | None, tokens_per_character: float | None) -> Side:
    shape = run.decoder.shape if run.decoder else None
    row_tokens = run.settings.get("pretraining.steps.row_tokens")
    return Side(
        tokens_per_byte,
        tokens_per_character,
        VocabularyCost(shape, tokens_per_byte) if shape and tokens_per_byte else None,
        run.decoder.context_tokens if run.decoder else None,
        row_tokens if isinstance(row_tokens, int) else None,
    )


def answers(pairs: Sequence[VocabularyPair]) -> list[Answer]:
    """One answer a target language."""
    targets = dict.fromkeys(pair.target for pair in pairs)
    return [_answer(target, [pair for pair in pairs if pair.target == target]) for target in targets]


def _answer(target: str, pairs: Sequence[VocabularyPair]) -> Answer:
    outcomes = list(dict.fromkeys(map(_outcome, pairs)))
    if len(pairs) == 1:
        (pair,) = pairs
        return Answer(target, outcomes[0], _gain(pair), (f"{_name(pair)}: {_told(pair)}",))
    tally = [f"{outcome} for {sum(_outcome(pair) == outcome for pair in pairs)}" for outcome in outcomes]
    return Answer(
        target,
        _together(outcomes),
        f"Of {len(pairs)} arms with new pieces: {joined(tally)}.",
        tuple(f"{_name(pair)}: {_outcome(pair)}. {_told(pair)}" for pair in pairs),
    )


def _together(outcomes: Sequence[str]) -> str:
    """What holds for all arms of a language."""
    if len(outcomes) == 1:
        return outcomes[0]
    for word in ("yes", "no"):
        at_text = f"{word} at equal text"
        if {*outcomes} == {word, f"{at_text}{COMPUTE_NOT_MEASURED}"}:
            return at_text
    return "it depends"


def _told(pair: VocabularyPair) -> str:
    return " ".join(part for part in (_saving(pair), _gain(pair), _break_evens(pair)) if part)


def _name(pair: VocabularyPair) -> str:
    return ", ".join(pair.arm.phrases)


def _outcome(pair: VocabularyPair) -> str:
    """The rule: verdicts on bits per byte at the largest budget that both sides have."""
    if pair.last is None:
        return "missing"
    text, compute = (_word(one) for one in (pair.last.equal_text, pair.last.equal_compute))
    if not compute and text in ("helps", "hurts"):
        return f"{'yes' if text == 'helps' else 'no'} at equal text{COMPUTE_NOT_MEASURED}"
    if text == "helps":
        return "at equal text only" if compute == "hurts" else "yes"
    if compute == "helps":
        return "at equal compute only"
    return "no" if text == "hurts" else "not shown"


def _word(measured: Measured) -> str:
    return measured.verdict.word if measured.verdict else ""


def _saving(pair: VocabularyPair) -> str:
    control, arm = sides(pair)
    if control.tokens_per_byte is None or arm.tokens_per_byte is None:
        return ""
    text = _fewer(tokens_saved(control.tokens_per_byte, arm.tokens_per_byte), "tokens")
    if control.tokens_per_character is not None and arm.tokens_per_character is not None:
        before, after = (decimal(side, 3) for side in (control.tokens_per_character, arm.tokens_per_character))
        text += f" ({before} to {after} a character)"
    if control.cost is not None and arm.cost is not None:
        flops = tokens_saved(control.cost.train_flops_per_byte(), arm.cost.train_flops_per_byte())
        before, after = control.cost.shape.num_parameters, arm.cost.shape.num_parameters
        text += f", {_fewer(flops, 'training FLOPs per byte')}"
        text += f", for {count_text(after - before)} more parameters ({percent(after / before - 1)})"
    return f"{text}."


def _fewer(saved: float, what: str) -> str:
    return f"{percent(abs(saved))} {'fewer' if saved >= 0 else 'more'} {what}"


def _gain(pair: VocabularyPair) -> str:
    last = pair.last
    if last is None or last.equal_text.paired is None:
        return "No budget has bits per byte of both vocabularies yet."
    # In bytes that were read, as break-even is: what was asked for ends inside a document.
    budget = bytes_text(last.target_bytes) if last.target_bytes else last.asked
    text = f"At the largest budget, {budget}: {difference_text(last.equal_text.paired)} bits per byte at equal text"
    if last.equal_compute.paired is not None:
        return f"{text}, {difference_text(last.equal_compute.paired)} at equal compute."
    if last.equal_compute.outside:
        return f"{text}; its compute lies {last.equal_compute.outside} what the control was measured at."
    return f"{text}; nothing was measured at equal compute."


def difference_text(paired: PairedDifference) -> str:
    """A difference in bits per byte with its interval."""
    change = paired.difference
    interval = f"{signed(change.low, 3)}{NO_BREAK}to{NO_BREAK}{signed(change.high, 3)}"
    return f"{signed(change.value, 3)} [{interval}]"


def _break_evens(pair: VocabularyPair) -> str:
    found = [f"at {reading}: {break_even_text(one, reading)}" for reading, one in pair.break_evens if one is not None]
    return f"Break-even {'; '.join(found)}." if found else ""


def break_even_text(found: BreakEven, reading: Reading) -> str:
    """Where an arm breaks even, with the interval where it does; budgets are those that the reading can compare."""
    budget = "measured budget" if reading == "equal text" else "budget with a control at such compute"
    if found.bytes.value == FROM_THE_START:
        return f"already at the smallest {budget}, {bytes_text(found.smallest)}"
    if found.bytes.value == NEVER:
        largest = bytes_text(found.largest)
        return (
            f"ahead before, but not at the largest {budget}, {largest}"
            if found.is_ahead_before
            else f"at no {budget} up to {largest}"
        )
    return f"from {bytes_text(found.bytes.value)} of target text on [{interval_text(found)}]"


def interval_text(found: BreakEven) -> str:
    """The interval of a break-even; an end outside the measured budgets is said to be."""
    low, high = _end(found.bytes.low, found), _end(found.bytes.high, found)
    return low if low == high else f"{low} to {high}"


def _end(value: float, found: BreakEven) -> str:
    if value == FROM_THE_START:
        return f"below {bytes_text(found.smallest)}"
    return f"beyond {bytes_text(found.largest)}" if value == NEVER else bytes_text(value)
