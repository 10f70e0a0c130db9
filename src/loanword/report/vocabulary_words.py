"""The verdict on a larger vocabulary in words, each by a rule on computed numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.model.vocabulary_cost import VocabularyCost, tokens_saved
from loanword.records import TokenizerMeasure
from loanword.report.gather import RunRecords
from loanword.report.saying import clauses, listed, say, sentences
from loanword.report.statistics import PairedDifference
from loanword.report.vocabulary import FROM_THE_START, NEVER, BreakEven, Measured, Reading, VocabularyPair
from loanword.report.wording import bytes_text, count_text, decimal, joined, language_name, percent, signed

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
        return say(
            "A larger vocabulary for {language}: {outcome}",
            language=language_name(self.language),
            outcome=say(self.outcome),
        )

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
        return Answer(target, outcomes[0], _gain(pair), (say("{arm}: {told}", arm=_name(pair), told=_told(pair)),))
    tally = [
        say(
            "{outcome} for {number}", outcome=say(outcome), number=str(sum(_outcome(pair) == outcome for pair in pairs))
        )
        for outcome in outcomes
    ]
    return Answer(
        target,
        _together(outcomes),
        say("Of {number} arms with new pieces: {tally}.", number=str(len(pairs)), tally=joined(tally)),
        tuple(
            say("{arm}: {outcome}. {told}", arm=_name(pair), outcome=say(_outcome(pair)), told=_told(pair))
            for pair in pairs
        ),
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
    return sentences((_saving(pair), _gain(pair), _break_evens(pair)))


def _name(pair: VocabularyPair) -> str:
    return listed(pair.arm.phrases)


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
        text = say("{saved} ({before} to {after} a character)", saved=text, before=before, after=after)
    if control.cost is not None and arm.cost is not None:
        flops = tokens_saved(control.cost.train_flops_per_byte(), arm.cost.train_flops_per_byte())
        before, after = control.cost.shape.num_parameters, arm.cost.shape.num_parameters
        text = say(
            "{saved}, {flops}, for {number} more parameters ({share})",
            saved=text,
            flops=_fewer(flops, "training FLOPs per byte"),
            number=count_text(after - before),
            share=percent(after / before - 1),
        )
    return say("{told}.", told=text)


def _fewer(saved: float, what: str) -> str:
    return say(
        "{share} fewer {what}" if saved >= 0 else "{share} more {what}", share=percent(abs(saved)), what=say(what)
    )


def _gain(pair: VocabularyPair) -> str:
    last = pair.last
    if last is None or last.equal_text.paired is None:
        return say("No budget has bits per byte of both vocabularies yet.")
    # In bytes that were read, as break-even is: what was asked for ends inside a document.
    budget = bytes_text(last.target_bytes) if last.target_bytes else last.asked
    at_text = {"budget": budget, "text": difference_text(last.equal_text.paired)}
    opening = "At the largest budget, {budget}: {text} bits per byte at equal text"
    if last.equal_compute.paired is not None:
        compute = difference_text(last.equal_compute.paired)
        return say(f"{opening}, {{compute}} at equal compute.", **at_text, compute=compute)
    if last.equal_compute.outside:
        where = last.equal_compute.outside
        return say(f"{opening}; its compute lies {where} what the control was measured at.", **at_text)
    return say(f"{opening}; nothing was measured at equal compute.", **at_text)


def difference_text(paired: PairedDifference) -> str:
    """A difference in bits per byte with its interval."""
    change = paired.difference
    return say(
        "{value} [{low}\u00a0to\u00a0{high}]",
        value=signed(change.value, 3),
        low=signed(change.low, 3),
        high=signed(change.high, 3),
    )


def _break_evens(pair: VocabularyPair) -> str:
    found = [
        say(f"at {reading}: {{where}}", where=break_even_text(one, reading))
        for reading, one in pair.break_evens
        if one is not None
    ]
    return say("Break-even {where}.", where=clauses(found)) if found else ""


def break_even_text(found: BreakEven, reading: Reading, *, with_interval: bool = True) -> str:
    """Where an arm breaks even, with the interval where it does; budgets are those that the reading can compare."""
    budget = "measured budget" if reading == "equal text" else "budget with a control at such compute"
    if found.bytes.value == FROM_THE_START:
        return say(f"already at the smallest {budget}, {{amount}}", amount=bytes_text(found.smallest))
    if found.bytes.value == NEVER:
        largest = bytes_text(found.largest)
        return (
            say(f"ahead before, but not at the largest {budget}, {{amount}}", amount=largest)
            if found.is_ahead_before
            else say(f"at no {budget} up to {{amount}}", amount=largest)
        )
    amount = bytes_text(found.bytes.value)
    if not with_interval:
        return say("from {amount} of target text on", amount=amount)
    return say("from {amount} of target text on [{interval}]", amount=amount, interval=interval_text(found))


def interval_text(found: BreakEven) -> str:
    """The interval of a break-even; an end outside the measured budgets is said to be."""
    low, high = _end(found.bytes.low, found), _end(found.bytes.high, found)
    return low if low == high else say("{low} to {high}", low=low, high=high)


def _end(value: float, found: BreakEven) -> str:
    if value == FROM_THE_START:
        return say("below {amount}", amount=bytes_text(found.smallest))
    return say("beyond {amount}", amount=bytes_text(found.largest)) if value == NEVER else bytes_text(value)
