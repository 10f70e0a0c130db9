"""From which base a model came, by which steps, and which artifact each of them left."""

from collections.abc import Iterator
from datetime import UTC, datetime

from loanword.recipe import BaseConfig
from loanword.report.card.about import Exported, model_link, named_models, source_name
from loanword.report.card.markdown import code, escaped, table
from loanword.report.gather import Artifact
from loanword.report.wording import bytes_text, count_text, duration, joined, language_name, percent, plain

_DIGEST_CHARACTERS = 12
HOW = {
    "continued-bpe": "continuing the base\u2019s merges on target text",
    "append": "appending a model of target text",
}


def lineage_blocks(exported: Exported) -> list[str]:
    """A table of the steps, in order, and what its columns are."""
    told = dict(_steps(exported))
    rows = [_row(role, words, exported.run.artifacts.get(role)) for role, words in told.items()]
    note = (
        "Each step is an artifact of the study\u2019s store, named after all that decides it. The digest is of its "
        "content: the same steps on the same kind of machine give the same. Commit and version are those of the "
        "program that made it."
    )
    return [table(("Step", "What was done", "Artifact", "Content", "Loanword", "Day", "Time"), rows, num_words=6), note]


def made_from(exported: Exported) -> str:
    """The base in words, as a sentence goes on with it."""
    recipe, base = exported.recipe.base, exported.run.artifacts.get("base")
    if recipe.train is not None:
        return _trained_base(exported)
    named = named_models(base)
    origin = (
        model_link(*named[0]) if _is_of_hub(recipe, base) else f"the checkpoint {code(source_name(recipe.model or ''))}"
    )
    others = [code(source_name(part)) for part in recipe.parts]
    return f"{origin}{f' with {joined(others)}' if others else ''}"


def _is_of_hub(recipe: BaseConfig, base: Artifact | None) -> bool:
    named = named_models(base)
    return bool(named) and named[0][0] == (recipe.model or "").partition("@")[0]


def _trained_base(exported: Exported) -> str:
    train, summary = exported.recipe.base.train, exported.run.summaries.get("base")
    assert train is not None
    source = language_name(exported.recipe.source)
    also = joined(language_name(one) for one in sorted(train.also))
    beside = f" and {also} ({percent(train.also_share, 0)} of all rows)" if also else ""
    size = f" of {count_text(summary.num_parameters)} parameters" if summary else ""
    read = f"{count_text(train.num_tokens)} tokens of {source}{beside}"
    return f"a decoder of LLaMA\u2019s architecture{size}, trained in this study on {read}"


def _steps(exported: Exported) -> Iterator[tuple[str, str]]:
    """The roles of a run that change its model, and what each did."""
    recipe, run = exported.recipe, exported.run
    yield "base", made_from(exported)
    if exported.is_extended and "tokenizer" in run.artifacts:
        corpora = joined(escaped(name) for name in recipe.vocabulary_corpora)
        how = HOW[recipe.tokenizer.method]
        yield (
            "tokenizer",
            f"{plain(recipe.tokenizer.num_new_pieces)} new pieces behind the base\u2019s, by {how} ({corpora})",
        )
    if "initialisation" in run.artifacts:
        rows = recipe.acting_initialisation
        yield "initialisation", f"rows for the new pieces: input {rows.input}, output {rows.output}"
    if exported.is_pretrained and "trunk" in run.artifacts:
        yield "trunk", "further pretraining up to where its learning rate begins to fall"
    if "pretraining" in run.artifacts:
        yield "pretraining", _pretraining(exported)
    if "conversations" in run.artifacts and run.conversations is not None:
        template = {"model": "the base\u2019s own"}.get(recipe.conversations.template, recipe.conversations.template)
        number = plain(run.conversations.num_conversations)
        yield "conversations", f"{number} conversations under the chat template {template}"
    if "tuning" in run.artifacts:
        epochs = recipe.tuning.epochs
        summary = run.summaries.get("tuning")
        seen = f", {plain(summary.num_steps)} steps" if summary else ""
        yield (
            "tuning",
            f"instruction tuning on the responses in them: {plain(epochs)} epoch{'s' * (epochs != 1)}{seen}",
        )


def _pretraining(exported: Exported) -> str:
    summary, target, source = exported.run.summaries.get("pretraining"), exported.recipe.target, exported.recipe.source
    if not exported.is_pretrained or summary is None:
        return "the base with a row for every new piece; nothing was trained"
    tokens = f"{count_text(summary.num_target_tokens)} tokens"
    read = f"{bytes_text(summary.num_target_bytes)} of {language_name(target)}, {tokens}"
    replay = f", and {count_text(summary.num_replay_tokens)} tokens of {language_name(source)} as replay"
    return (
        f"further pretraining on {read}{replay if summary.num_replay_tokens else ''}: {plain(summary.num_steps)} steps"
    )


def _row(role: str, words: str, artifact: Artifact | None) -> tuple[str, ...]:
    if artifact is None:
        return role, words, "missing", "", "", "", ""
    manifest, provenance = artifact.manifest, artifact.manifest.provenance
    version = provenance.versions.get("loanword", "")
    made_by = " ".join(part for part in (version, code(provenance.commit[:12]) if provenance.commit else "") if part)
    took = "" if provenance.seconds is None else duration(provenance.seconds)
    name = code(f"{manifest.stage}/{manifest.name}")
    content = code(manifest.content[:_DIGEST_CHARACTERS]) if manifest.content else ""
    return role, words, name, content, made_by, _day(provenance.finished), took


def _day(moment: str | float | None) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat() if isinstance(moment, int | float) else ""
