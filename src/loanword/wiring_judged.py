"""Which artifacts show how good responses are: judgements and ratings of open questions, and switches of language.

Roles carry names behind the stage: `ratings.BENCHMARK.JUDGE`, with `.against.CONTROL` where a judge compares two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loanword.errors import UserError
from loanword.recipe import (
    BenchmarkConfig,
    JudgeConfig,
    JudgementsConfig,
    MeasuredSwitchingConfig,
    RatingsConfig,
    Recipe,
    RubricName,
    SwitchingConfig,
)
from loanword.recipe.judging import AGAINST, OF_COHERENCE
from loanword.store import Job


def switching_of(
    config: BenchmarkConfig, switching: SwitchingConfig, responses: Job, job: Callable[..., Job]
) -> Job | None:
    """Where responses leave their language; None where nothing is generated, or nobody wants to know."""
    from loanword.evaluation.benchmarks import benchmark_of

    if not switching.measure or config.answering == "likelihood":
        return None
    language = config.language or benchmark_of(config).language
    others = tuple(sorted({other for other in switching.languages if other != language}))
    looked_for = switching.model_copy(update={"languages": others})
    return job("switching", MeasuredSwitchingConfig(language=language, switching=looked_for), responses=responses)


def judged_by(
    name: str,
    config: BenchmarkConfig,
    judges: Mapping[str, JudgeConfig],
    answered: Mapping[str, Job],
    job: Callable[..., Job],
) -> dict[str, Job]:
    """What every judge that is meant for a benchmark says of its responses; panels read what their judges said.

    `answered` are the responses, and where there is one the switches in them. The models that judge are among the jobs.
    """
    responses = answered["responses"]
    meant = {of: judge for of, judge in judges.items() if _is_meant(name, judge)}
    single = {of: judge for of, judge in meant.items() if not judge.of}
    # A panel's judges are asked wherever the panel is, whatever else they are meant for.
    single |= {of: judges[of] for judge in meant.values() for of in judge.of}
    jobs: dict[str, Job] = {}
    for of, judge in single.items():
        model = None if judge.model is None else job("base", judge.model)
        if model is not None:
            jobs[f"judge.{of}"] = model
        asked = _asked(judge, _rubric(judge, config))
        said = job("judgements", asked, responses=responses, judge=model)
        jobs[f"judgements.{name}.{of}"] = said
        jobs[f"ratings.{name}.{of}"] = job("ratings", RatingsConfig(), responses=responses, judgements=said)
        if judge.coherence and "switching" in answered:
            of_switched = _asked(judge, "coherence").model_copy(update={"only_switched": True})
            said = job("judgements", of_switched, judge=model, **answered)
            role = f"{name}.{of}{OF_COHERENCE}"
            jobs[f"judgements.{role}"] = said
            jobs[f"ratings.{role}"] = job("ratings", RatingsConfig(), responses=responses, judgements=said)
    for of, judge in meant.items():
        if judge.of:
            said_by = {f"judgements.{member}": jobs[f"judgements.{name}.{member}"] for member in judge.of}
            combined = RatingsConfig(combine=judge.combine)
            jobs[f"ratings.{name}.{of}"] = job("ratings", combined, responses=responses, **said_by)
    return jobs


def compared(
    recipe: Recipe, arm: Mapping[str, Job], control: Mapping[str, Job], label: str, job: Callable[..., Job]
) -> dict[str, Job]:
    """What judges that compare prefer of an arm's responses and those of its control, which has the label."""
    jobs: dict[str, Job] = {}
    for role, responses in arm.items():
        stage, _, name = role.partition(".")
        others = control.get(role)
        if stage != "responses" or others is None or others.config != responses.config:
            continue
        for of, judge in recipe.judges.items():
            if not judge.pairwise or f"judgements.{name}.{of}" not in arm:
                continue
            model = arm[f"judge.{of}"]
            # The grades of a scale are not shown where two responses are compared: which one it is does not act.
            asked = _asked(judge, "llm-eval-0-3")
            said = job("judgements", asked, responses=responses, control=others, judge=model)
            jobs[f"judgements.{name}.{of}{AGAINST}{label}"] = said
            rated = job("ratings", RatingsConfig(), responses=responses, control=others, judgements=said)
            jobs[f"ratings.{name}.{of}{AGAINST}{label}"] = rated
    return jobs


def require_open(judges: Mapping[str, JudgeConfig], closed: list[str]) -> None:
    """Nothing, where judges name only benchmarks with something to judge.

    Raises:
        UserError: one names a benchmark that has labels for all it asks.
    """
    for of, judge in judges.items():
        for name in judge.benchmarks:
            if name in closed:
                raise UserError(
                    f"judges.{of}.benchmarks",
                    f"{name!r} has no open questions: it is graded by its labels",
                    expected="benchmarks with open questions, as llmeval, belle, mt_bench and the open files of gaokao",
                    do="leave it out",
                )


def _is_meant(name: str, judge: JudgeConfig) -> bool:
    return not judge.benchmarks or name in judge.benchmarks


def _rubric(judge: JudgeConfig, config: BenchmarkConfig) -> RubricName:
    if judge.rules:
        return "rules"
    return "points" if config.name == "gaokao" else judge.rubric


def _asked(judge: JudgeConfig, rubric: RubricName) -> JudgementsConfig:
    """What a judge is asked, without settings that do not act."""
    if judge.model is None:
        kind = "rules" if judge.rules else "people"
        return JudgementsConfig(kind=kind, rubric=rubric, ratings=judge.ratings)
    return JudgementsConfig(
        kind="model",
        rubric=rubric,
        repeats=judge.repeats,
        chat=judge.chat,
        max_new_tokens=judge.max_new_tokens,
        temperature=judge.temperature,
        seed=judge.seed if judge.temperature else 0,
    )
