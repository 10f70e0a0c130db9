"""A study at a fraction of its budgets: every stage runs, on little of everything."""

from loanword.recipe import Budget, Recipe

SMALLEST_CORPUS_BYTES = 3_000_000
SMALLEST_PRETRAINING_BYTES = 20_000
FEW = 20


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """The recipe with its budgets multiplied, each kept large enough for its stage to do something.

    Vocabulary sizes and shapes stay: they are what a smoke run is to try.
    """
    corpus = {
        language: config.model_copy(
            update={"limit_bytes": max(SMALLEST_CORPUS_BYTES, int((config.limit_bytes or 0) * factor))}
        )
        for language, config in recipe.corpus.items()
    }
    changes: dict[str, object] = {"corpus": corpus}
    base, pretraining, tuning = recipe.base, recipe.pretraining, recipe.tuning
    if base.train is not None:
        least = 4 * base.train.steps.batch_tokens
        train = base.train.model_copy(update={"num_tokens": max(least, int(base.train.num_tokens * factor))})
        changes["base"] = base.model_copy(update={"train": train})
    if pretraining is not None and pretraining.budget.amount:
        changes["pretraining"] = pretraining.model_copy(update={"budget": _scaled_budget(pretraining.budget, factor)})
    if tuning.num_conversations:
        number = min(tuning.num_conversations, max(FEW, int(tuning.num_conversations * factor)))
        changes["tuning"] = tuning.model_copy(update={"num_conversations": number})
    changes["likelihoods"] = recipe.likelihoods.model_copy(update={"limit_documents": FEW})
    changes["benchmarks"] = {
        name: config.model_copy(update={"limit_examples": 1}) for name, config in recipe.benchmarks.items()
    }
    return recipe.model_copy(update=changes)


def _scaled_budget(budget: Budget, factor: float) -> Budget:
    least = FEW if budget.unit == "documents" else SMALLEST_PRETRAINING_BYTES
    return Budget(**{budget.unit: min(budget.amount, max(least, int(budget.amount * factor)))})
