"""A study at a fraction of its budgets: every stage runs, on little of everything."""

from collections.abc import Mapping

from loanword.recipe import Budget, CorpusConfig, Recipe

SMALLEST_CORPUS_BYTES = 3_000_000
SMALLEST_PRETRAINING_BYTES = 20_000
FEW = 20
ANY_SOURCE_CHANGE = 0.99
"""Share of source words that an extension may change: the little that is read shows too few of the merges to skip."""


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """The recipe with its budgets multiplied, each kept large enough for its stage to do something.

    Vocabulary sizes and shapes stay: they are what a smoke run is to try.
    """
    changes: dict[str, object] = {"corpus": _scaled_corpora(recipe.corpus, factor)}
    base, pretraining, tuning = recipe.base, recipe.pretraining, recipe.tuning
    if base.train is not None:
        least = 4 * base.train.steps.batch_tokens
        fewer = {
            "num_tokens": max(least, int(base.train.num_tokens * factor)),
            "also": _scaled_corpora(base.train.also, factor),
        }
        train = base.train.model_copy(update=fewer)
        changes["base"] = base.model_copy(update={"train": train})
    if pretraining is not None and pretraining.budget.amount:
        changes["pretraining"] = pretraining.model_copy(update={"budget": _scaled_budget(pretraining.budget, factor)})
    if tuning.num_conversations:
        number = min(tuning.num_conversations, max(FEW, int(tuning.num_conversations * factor)))
        changes["tuning"] = tuning.model_copy(update={"num_conversations": number})
    changes["tokenizer"] = recipe.tokenizer.model_copy(update={"max_source_change": ANY_SOURCE_CHANGE})
    changes["probe"] = recipe.probe.model_copy(update={"num_steps": min(recipe.probe.num_steps, FEW)})
    changes["likelihoods"] = recipe.likelihoods.model_copy(update={"limit_documents": FEW})
    changes["alignment"] = recipe.alignment.model_copy(update={"limit_sentences": FEW})
    changes["benchmarks"] = {
        name: config.model_copy(update={"limit_examples": 1}) for name, config in recipe.benchmarks.items()
    }
    return recipe.model_copy(update=changes)


def _scaled_corpora(corpora: Mapping[str, CorpusConfig], factor: float) -> dict[str, CorpusConfig]:
    return {
        language: config.model_copy(
            update={"limit_bytes": max(SMALLEST_CORPUS_BYTES, int((config.limit_bytes or 0) * factor))}
        )
        for language, config in corpora.items()
    }


def _scaled_budget(budget: Budget, factor: float) -> Budget:
    least = FEW if budget.unit == "documents" else SMALLEST_PRETRAINING_BYTES
    return Budget(**{budget.unit: min(budget.amount, max(least, int(budget.amount * factor)))})
