"""What text and instructions a model was made from, what of them is left, and how much of benchmarks stands in them."""

from collections.abc import Iterator, Mapping
from typing import Any

from loanword.report.card.about import Exported, model_link, named_datasets, source_name
from loanword.report.card.markdown import code, escaped, estimate_text, table
from loanword.report.cleaned import CorpusFacts, Facts
from loanword.report.gather import Artifact, stage_of
from loanword.report.knowledge import Knowledge
from loanword.report.overlap import SplitScore, split_scores
from loanword.report.wording import bytes_text, joined, language_name, plain, signed
from loanword.store.identity import DATASETS


def data_blocks(exported: Exported, knowledge: Knowledge, titles: Mapping[str, str]) -> list[str]:
    """A table of texts and instructions, what each was read for, and the overlap with benchmarks."""
    rows = [_text_row(exported, artifact) for artifact in text_artifacts(exported)]
    if not rows:
        return ["This run read no text: the model is the base as it came."]
    headings = ("Text", "Language", "From", "Used for", "Removed", "Read", "Kept", "Bytes kept")
    note = (
        "Kept is what is left to train on, without documents that are held out; removed are those that rules took away."
    )
    return [table(headings, rows, num_words=5), note, *_overlap_blocks(exported, knowledge, titles)]


def text_artifacts(exported: Exported) -> list[Artifact]:
    """The corpora and instructions that a model was made from, each once."""
    found: dict[object, Artifact] = {}
    for role, artifact in exported.run.artifacts.items():
        if stage_of(role) in ("corpus", "instructions") and artifact is not None and role in exported.run.texts:
            found.setdefault(artifact.folder, artifact)
    return list(found.values())


def sources_of(artifact: Artifact) -> list[str]:
    """The files and data sets of the Hub that a text was read from, as Markdown."""
    named = [code(source_name(str(one))) for one in artifact.manifest.config.get("files") or ()]
    at_commit = named_datasets([artifact])
    hub: list[Any] = artifact.manifest.config.get("hub") or []
    pinned = {id for id, _ in at_commit}
    return [
        *named,
        *(model_link(*one, DATASETS) for one in at_commit),
        *(code(one["id"]) for one in hub if one["id"] not in pinned),
    ]


def _text_row(exported: Exported, artifact: Artifact) -> tuple[str, ...]:
    name = artifact.role.partition(".")[2]
    facts = exported.run.texts[artifact.role].facts
    kept = facts.num_documents if isinstance(facts, CorpusFacts) else facts.num_conversations
    num_bytes = bytes_text(facts.num_bytes) if isinstance(facts, CorpusFacts) else "\u2013"
    uses = joined(_uses(exported, stage_of(artifact.role), name)) or "\u2013"
    from_where = ", ".join(sources_of(artifact)) or "\u2013"
    what = f"{escaped(name)}, instructions" if stage_of(artifact.role) == "instructions" else escaped(name)
    numbers = (plain(facts.num_read), plain(kept), num_bytes)
    return what, language_name(facts.language), from_where, uses, _removed(facts), *numbers


def _removed(facts: Facts) -> str:
    reasons = {escaped(reason.replace("_", " ")): number for reason, number in facts.num_removed.items() if number}
    if facts.num_quarantined_lines:
        reasons["broken lines"] = facts.num_quarantined_lines
    return "; ".join(f"{reason} {plain(number)}" for reason, number in reasons.items()) or "none"


def _uses(exported: Exported, stage: str, name: str) -> Iterator[str]:
    recipe, pretraining = exported.recipe, exported.recipe.acting_pretraining
    if stage == "instructions":
        yield "instruction tuning"
        return
    train = recipe.base.train
    if train is not None and (
        name == recipe.source_corpus or name.partition(".")[2] in train.also or name in train.also
    ):
        yield "training the base"
    if exported.is_extended and name in recipe.vocabulary_corpora:
        yield "learning new pieces"
    if exported.is_extended and name == recipe.source_corpus:
        yield "keeping new pieces out of source text"
    if pretraining is not None and name in recipe.target_corpora:
        yield "further pretraining"
    if pretraining is not None and pretraining.replay and name in recipe.source_corpora:
        yield "replay"


def _overlap_blocks(exported: Exported, knowledge: Knowledge, titles: Mapping[str, str]) -> list[str]:
    splits = {
        benchmark: one
        for (_, benchmark), one in split_scores([exported.run], knowledge).items()
        if one.state != "missing"
    }
    if not splits:
        return []
    rows = [_overlap_row(titles[benchmark], one) for benchmark, one in splits.items()]
    lead = (
        "Questions of benchmarks that stand in the text above, by runs of their words. Touched minus clean is the "
        "score on the questions that the text holds minus that on the others, with a 95 % interval, where there are "
        "enough of both."
    )
    return [lead, table(("Benchmark", "Questions", "Touched", "Too short to tell", "Touched minus clean"), rows)]


def _overlap_row(title: str, one: SplitScore) -> tuple[str, ...]:
    change = one.difference and estimate_text(one.difference, lambda share: signed(100 * share, 1))
    told = f"{change} points" if change else "\u2013"
    return escaped(title), plain(one.num_graded), plain(one.num_touched), plain(one.num_too_short), told
