"""What the Hub reads of a card: its YAML front matter."""

import re
from collections.abc import Iterator

from huggingface_hub import EvalResult, ModelCardData

from loanword.report.card.about import Exported, named_datasets, named_models
from loanword.report.card.data import text_artifacts
from loanword.report.card.scores import CardScores
from loanword.report.likelihoods import languages_of
from loanword.report.statistics import Estimate
from loanword.report.wording import decimal, language_name

TASK, TASK_NAME = "text-generation", "Text generation"


def front_matter(exported: Exported, scores: CardScores) -> str:
    """The YAML between the two rules that a card begins with.

    Source: hub-docs, modelcard.md; results as `EvalResult` of huggingface_hub lays them out.
    """
    models = [id for id, _ in named_models(exported.run.artifacts.get("base"))]
    datasets = [id for id, _ in named_datasets(text_artifacts(exported))]
    licence = exported.licence
    data = ModelCardData(
        language=[code.partition("-")[0] for code in exported.languages],
        # The Hub takes "other" for whatever its list does not have, and for what nobody has said yet.
        license=licence.id.lower() or "other",
        license_name=licence.name or None,
        license_link=licence.link or None,
        library_name="transformers",
        pipeline_tag=TASK,
        base_model=models if len(models) > 1 else models[0] if models else None,
        base_model_relation=_relation(exported, models),
        datasets=datasets or None,
        tags=list(_tags(exported)),
        model_name=exported.repository or f"{exported.study.name}: {exported.run.label}",
        eval_results=list(_results(exported, scores)) or None,
    )
    if data.eval_results is None:
        data.pop("model_name")
    yaml = data.to_yaml()  # pyright: ignore[reportUnknownMemberType]
    return f"---\n{yaml}\n---"


def _relation(exported: Exported, models: list[str]) -> str | None:
    if not models:
        return None
    if exported.is_changed:
        return "finetune"
    return "merge" if len(models) > 1 else None


def _tags(exported: Exported) -> Iterator[str]:
    yield "loanword"
    if exported.is_extended:
        yield "vocabulary-extension"
    if exported.is_pretrained:
        yield "continued-pretraining"
    if exported.is_tuned:
        yield "instruction-tuning"
        yield "conversational"


def _results(exported: Exported, scores: CardScores) -> Iterator[EvalResult]:
    run = exported.run
    for language in languages_of([run]):
        score = scores.languages.get((run.label, language))
        if score is not None:
            name, file = (
                f"Held-out {language_name(language)} text",
                exported.recipe.likelihoods.texts.get(language, language),
            )
            yield _result(
                f"held-out-{language}",
                name,
                "bits_per_byte",
                "Bits per byte",
                score.bits_per_byte,
                1.0,
                config=str(file),
            )
    for benchmark, facts in scores.benchmarks.items():
        config = exported.recipe.benchmarks.get(benchmark)
        hub = config.description.hub if config is not None and config.description is not None else None
        graded = scores.knowledge[run.label, benchmark]
        name = graded.scores[0].facts.name
        kind = name if name == "accuracy" else _slug(name)
        title = f"{name[:1].upper()}{name[1:]}"
        yield _result(
            hub or _slug(benchmark), scores.titles[benchmark], kind, title, graded.headline, 100.0, split=facts.split
        )


def _result(
    dataset: str,
    name: str,
    metric: str,
    title: str,
    estimate: Estimate,
    times: float,
    *,
    split: str = "",
    config: str = "",
) -> EvalResult:
    digits = 3 if times == 1.0 else 1
    interval = f"{decimal(times * estimate.low, digits)} to {decimal(times * estimate.high, digits)}"
    return EvalResult(
        task_type=TASK,
        task_name=TASK_NAME,
        dataset_type=dataset,
        dataset_name=name,
        dataset_split=split or None,
        dataset_config=config or None,
        metric_type=metric,
        metric_name=f"{title} (95 % interval {interval})",
        metric_value=round(times * estimate.value, digits),
    )


def _slug(name: str) -> str:
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-") or "benchmark"
