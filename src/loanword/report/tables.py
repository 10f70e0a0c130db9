"""The report's tables, each computed from records."""

from collections.abc import Sequence

from loanword.records import SkippedRows
from loanword.report.arms import varying_keys
from loanword.report.cells import (
    NOT_PLANNED_CELL,
    Cell,
    Column,
    Sources,
    Table,
    Tone,
    estimate_cell,
    number_cell,
    one_group,
    pair_group,
    run_cell,
    text_cell,
)
from loanword.report.comparisons import Comparison, Difference
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, benchmark_titles, benchmarks_of
from loanword.report.likelihoods import Scores, languages_of
from loanword.report.saying import Said, clauses, joined, listed, remarks, say, sentences
from loanword.report.wording import (
    Setting,
    decimal,
    language_name,
    p_text,
    percent,
    plain,
    points,
    setting_name,
    setting_value,
    signed,
    significant,
)

RUN = Column("run", "Run", is_number=False)

COMPARED = (Column("control", "Control"), Column("arm", "Arm"), Column("difference", "Arm minus control"))
REACHED = (Column("p_holm", "p (Holm)"), Column("verdict", "The arm\u2019s change", is_number=False))
"""What a table of arms beside their controls has: numbers, and what they show."""

TONES: dict[str, Tone] = {"helps": "good", "hurts": "bad"}


def settings_table(runs: Sequence[RunRecords]) -> Table:
    """Settings in which the runs differ, and what each run still lacks."""
    keys = varying_keys([run.settings for run in runs])
    columns = [RUN, *(Column(key, _setting_title(key), _is_numeric(key, runs)) for key in keys)]
    rows = [
        [run_cell(run.label), *(_setting_cell(key, run.settings.get(key)) for key in keys), _state_cell(run)]
        for run in runs
    ]
    note = say(
        "Settings that every run shares are listed below the table. {dash} is a setting that a run does not have.",
        dash=NOT_PLANNED_CELL.text,
    )
    columns.append(Column("state", "Records", is_number=False))
    return Table("settings", "Settings of every run", note, tuple(columns), one_group(rows))


def shared_settings(runs: Sequence[RunRecords]) -> list[tuple[str, str]]:
    """Names and values of the settings that all runs have in common, the seed among them."""
    varying = varying_keys([run.settings for run in runs])
    shared = [
        (setting_name(key), setting_value(key, value)) for key, value in runs[0].settings.items() if key not in varying
    ]
    seeds = sorted({run.seed for run in runs})
    known = any(key == "seed" for key in runs[0].settings)
    return (
        shared if known else [*shared, (say("seed") if len(seeds) == 1 else say("seeds"), ", ".join(map(str, seeds)))]
    )


def _setting_title(key: str) -> str:
    name = setting_name(key)
    return say(_capital(name)) if isinstance(name, Said) else name


def _is_numeric(key: str, runs: Sequence[RunRecords]) -> bool:
    return not any(isinstance(run.settings.get(key), str) for run in runs)


def _setting_cell(key: str, value: Setting | None) -> Cell:
    return NOT_PLANNED_CELL if value is None else Cell(setting_value(key, value), value)


def _state_cell(run: RunRecords) -> Cell:
    missing = run.missing()
    state = say("complete")
    if missing:
        roles = say("all") if len(missing) == len(run.artifacts) else ", ".join(missing)
        state = say("missing: {roles}", roles=roles)
    notes = [state, *(_skipped_text(role, rows) for role, rows in run.skipped.items())]
    return text_cell(clauses(notes), tone="bad" if missing or run.skipped else "quiet")


def _skipped_text(role: str, skipped: Sequence[SkippedRows]) -> str:
    num_rows = sum(rows.last_row - rows.first_row for rows in skipped)
    reasons = joined(dict.fromkeys(rows.reason for rows in skipped))
    return say("{role} skipped {number} rows ({reasons})", role=role, number=plain(num_rows), reasons=reasons)


def likelihoods_table(language: str, runs: Sequence[RunRecords], scores: Scores) -> Table:
    """Bits per byte, perplexity and tokens per byte of one language under every run."""
    name = language_name(language)
    documents = {score.num_documents for (_, spoken), score in scores.items() if spoken == language}
    sizes = {score.num_bytes for (_, spoken), score in scores.items() if spoken == language}
    rows: list[list[Cell]] = []
    for run in runs:
        if run.plans("likelihoods") and not run.is_read(language):
            continue
        score, planned = scores.get((run.label, language)), run.plans("likelihoods")
        rows.append(
            [
                run_cell(run.label),
                estimate_cell(score and score.bits_per_byte, lambda value: decimal(value, 3), planned=planned),
                estimate_cell(score and score.perplexity, significant, planned=planned),
                number_cell(score and score.tokens_per_byte, lambda value: decimal(value, 3), planned=planned),
            ]
        )
    note = say(
        "{documents} held-out documents, {bytes} bytes. Brackets hold 95\u202f% bootstrap "
        "intervals over documents. Bits per byte compare across vocabularies; perplexity is per token and compares "
        "only between runs with the same vocabulary.",
        documents=_counts(documents),
        bytes=_counts(sizes),
    )
    columns = (
        RUN,
        Column("bits_per_byte", "Bits per byte"),
        Column("perplexity", "Perplexity per token"),
        Column("tokens_per_byte", "Tokens per byte"),
    )
    title = say("Held-out {language}", language=name)
    return Table(f"likelihoods.{language}", title, note, columns, one_group(rows), Sources(roles=("likelihoods",)))


def knowledge_table(
    benchmark: str, title: str, facts: BenchmarkFacts, runs: Sequence[RunRecords], knowledge: Knowledge
) -> Table:
    """Every whole score on one benchmark of every run that was to answer it."""
    asked = [run for run in runs if f"grades.{benchmark}" in run.artifacts]
    scored = {run.label: score for run in asked if (score := knowledge.get((run.label, benchmark)))}
    names = list(
        dict.fromkeys(one.facts.name for score in scored.values() for one in score.scores if not one.facts.is_part)
    )
    names = names or ["accuracy"]
    rows: list[list[Cell]] = []
    for run in asked:
        score = scored.get(run.label)
        estimates = {one.facts.name: one.estimate for one in score.scores} if score else {}
        rows.append(
            [
                run_cell(run.label),
                *(estimate_cell(estimates.get(name), percent, bounds=points) for name in names),
                number_cell(score and score.num_questions, plain),
                number_cell(score and score.num_unparsed, plain),
                number_cell(score and score.num_fragile, plain, planned=score is None or score.num_fragile is not None),
                number_cell(score and score.mean_shots, lambda value: decimal(value, 1)),
                number_cell(score and score.fewest_shots, plain),
            ]
        )
    columns = [
        RUN,
        *(Column(name.replace(" ", "_"), _capital(name)) for name in names),
        Column("num_questions", "Questions"),
        Column("num_unparsed", "Unparsed"),
        Column("num_fragile", "Fragile"),
        Column("mean_shots", "Shots that fitted"),
        Column("fewest_shots", "Fewest shots"),
    ]
    sources = Sources(roles=(f"grades.{benchmark}", f"responses.{benchmark}"))
    return Table(f"knowledge.{benchmark}", title, _knowledge_note(facts), tuple(columns), one_group(rows), sources)


def _knowledge_note(facts: BenchmarkFacts) -> str:
    asked = [
        say("{name} split", name=facts.split) if facts.split else "",
        say("{number} shots", number=str(facts.num_shots)) if facts.num_shots is not None else "",
        say("{name} protocol", name=facts.protocol) if facts.protocol else "",
        say("answered by {name}", name=facts.answering) if facts.answering else "",
        say("model in {name}", name=facts.precision) if facts.precision else "",
    ]
    settings = listed(asked)
    chances = {one.name: one.chance for one in facts.scores if one.chance is not None and not one.is_part}
    if not facts.scores and facts.chance is not None:
        chances = {"": facts.chance}
    guessing = [say("{share} of {name}", share=percent(chance), name=name) for name, chance in chances.items()]
    if len(set(chances.values())) == 1:
        guessing = [percent(next(iter(chances.values())))]
    fragile = say(
        "Fragile: the likeliest option is less than {nats} nats likelier than the next.", nats=f"{facts.fragile_nats:g}"
    )
    malformed = say(
        "{number} labels cannot be right, or not alone; they are counted all the same.",
        number=plain(len(facts.malformed)),
    )
    return sentences(
        (
            say("Asked: {settings}.", settings=settings) if settings else "",
            say("Guessing scores {shares}.", shares=joined(guessing))
            if guessing
            else say("Chance level not recorded."),
            say("Intervals over questions are Wilson's, those of other scores from a bootstrap over examples."),
            fragile if facts.fragile_nats else "",
            malformed if facts.malformed else "",
        )
    )


def comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    """Every arm against its control on every measure."""
    groups = [
        pair_group(found.arm, found.control, tuple(map(_comparison_row, found.differences)), _pair_note(found))
        for found in comparisons
    ]
    columns = (
        Column("measure", "Measure", is_number=False),
        *COMPARED,
        Column("effect", "Effect"),
        Column("smallest_detectable", "Would be seen"),
        *REACHED,
    )
    note = (
        "Brackets hold 95\u202f% intervals of the paired difference, over the same documents or the same "
        "questions (bootstrap; exact McNemar test for shares of questions), and over seeds where there are several. "
        "Differences of accuracies are in percentage points. Effect: Cohen\u2019s h of two accuracies; for bits per "
        "byte the difference in standard deviations of the differences of single documents. Would be seen: the true "
        "difference that four of five such comparisons would show by themselves. p is adjusted by Holm over the "
        "whole table."
    )
    return Table("comparisons", "Arms against their controls", note, columns, tuple(groups))


def _comparison_row(found: Difference) -> tuple[Cell, ...]:
    measure = found.measure
    # Here an empty side is missing: the pair is in the table because the study asks for it.
    difference = estimate_cell(found.paired and found.paired.difference, measure.difference_text)
    word = found.verdict.word if found.verdict else ""
    kind, _, of = measure.key.partition(".")
    role = "likelihoods" if kind == "bits_per_byte" else f"grades.{of}"
    return (
        Cell(measure.title, measure.title, sources=Sources(roles=(role,))),
        number_cell(found.control and found.control.value, measure.value_text),
        number_cell(found.arm and found.arm.value, measure.value_text),
        difference,
        number_cell(found.effect, lambda value: signed(value, 2), planned=found.paired is None),
        number_cell(found.paired and found.paired.smallest_detectable, measure.size_text),
        number_cell(found.adjusted_p, p_text),
        text_cell(found.verdict_text, tone=TONES.get(word, "quiet")),
    )


def _pair_note(found: Comparison) -> str:
    factors = say("differs in {factors}", factors=clauses(found.factors))
    several = say("mean of {number} seeds, paired by seed", number=plain(found.num_seeds))
    return remarks(
        (
            factors if found.factors else say("no setting differs"),
            say("confounded: more than one factor differs") if found.confounded else "",
            several if found.num_seeds > 1 else "",
            say("built under different executions") if found.other_execution else "",
            say("{runs} skipped rows in training", runs=joined(found.skipped_rows)) if found.skipped_rows else "",
        )
    )


def likelihood_tables(runs: Sequence[RunRecords], scores: Scores) -> list[Table]:
    """One table a language."""
    return [likelihoods_table(language, runs, scores) for language in languages_of(runs)]


def knowledge_tables(runs: Sequence[RunRecords], knowledge: Knowledge) -> list[Table]:
    """One table a benchmark."""
    benchmarks = benchmarks_of(runs)
    titles = benchmark_titles(benchmarks)
    return [knowledge_table(name, titles[name], facts, runs, knowledge) for name, facts in benchmarks.items()]


def _counts(found: set[int]) -> str:
    return joined(plain(count) for count in sorted(found)) or say("No")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
