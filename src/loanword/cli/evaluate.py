"""`loanword evaluate MODEL`: benchmarks and held-out text for one model, without a study.

The same stages as in a study, so that the numbers are those of its report, records lie in a store, and what was
stopped goes on. What is finished is not asked again.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from loanword.cli.asking import add_benchmark_arguments, benchmark_configs, likelihoods_config
from loanword.cli.checkpoints import add_model_arguments, check_device, named_folder
from loanword.cli.judge_access import (
    add_judge_arguments,
    judge_access,
    named_judges,
    require_address,
    tell_judging,
)
from loanword.cli.machine import num_cores
from loanword.cli.measured import measure, print_measured
from loanword.cli.opening import DEFAULT_STAGES
from loanword.cli.tokenizer import named_files
from loanword.errors import UserError
from loanword.evaluation.benchmarks import benchmark_of
from loanword.evaluation.likelihood import read_held_out
from loanword.interruption import REQUEUE
from loanword.model.shape import published_context
from loanword.recipe import BaseConfig, BenchmarkConfig, GradesConfig, LikelihoodsConfig, SwitchingConfig
from loanword.records import Execution, JudgeAccess, write_json
from loanword.stages import STAGES
from loanword.store import Job, Naming, Sources, Store
from loanword.store.artifacts import evaluation_folder
from loanword.store.identity import unresolved_revisions
from loanword.study.estimate import Estimator
from loanword.study.plan import missing
from loanword.wiring import Judging, asked_of

COMMITS = "commits.json"
"""In a store: the commits that Hub ids were first resolved to, as the lock file of a study has them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `evaluate`."""
    add_model_arguments(parser)
    parser.add_argument("--store", type=Path, default=Path("store"), help="where records are kept (default: ./store)")
    parser.add_argument("--threads", type=int, help="threads of the model (default: one a core)")
    parser.add_argument("--micro-batch-tokens", type=int, metavar="N", help="tokens at once (default: by device)")
    parser.add_argument(
        "--server", metavar="URL",
        help="ask MODEL, by the name it is served under, at an OpenAI-compatible address (key: LOANWORD_API_KEY)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("transformers", "vllm"), default="transformers", help="what runs a checkpoint here"
    )
    add_benchmark_arguments(parser)
    add_judge_arguments(parser, named=True)
    texts = parser.add_argument_group("held-out text")
    texts.add_argument("--texts", nargs="+", default=[], metavar="LANG=FILE", help="one document a line")
    texts.add_argument(
        "--window", type=int, metavar="TOKENS", help="window of long documents (default: 2048 or the context)"
    )
    texts.add_argument("--stride", type=int, metavar="TOKENS", help="tokens by which it moves (default: half a window)")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """75 where it was stopped with work left: the same command goes on."""
    try:
        return 0 if _run(arguments) else REQUEUE
    except KeyboardInterrupt:
        print("\nstopped; what was answered is kept: the same command goes on", file=sys.stderr)
        return REQUEUE


def _run(arguments: argparse.Namespace) -> bool:
    access, judges = judge_access(arguments), named_judges(arguments)
    require_address("--server", arguments.server)
    configs = benchmark_configs(arguments)
    texts = named_files(arguments.texts, "--texts")
    for file in texts.values():
        read_held_out(file)
    if not texts and not configs:
        raise UserError(
            "loanword evaluate",
            "nothing to ask",
            expected="--benchmarks, --describe or --texts",
            do="for example --benchmarks mmlu",
        )
    if texts and arguments.server:
        raise UserError(
            "--texts",
            "a served model is not asked for text",
            expected="a checkpoint",
            do="leave --texts or --server out",
        )
    _check_numbers(arguments)
    store, data = Store(arguments.store), arguments.data.resolve()
    _read_questions(data, configs)
    base, context_tokens = _base(arguments)
    likelihoods = likelihoods_config(arguments, texts, context_tokens)
    grades = GradesConfig(extraction=arguments.extraction)
    sources = Sources(data, cache_file=store.root / "sources.json", commits=_known_commits(store))
    judging = Judging(judges, SwitchingConfig(languages=("en",)))
    jobs = _jobs(sources, base, likelihoods, configs, grades, judging)
    store.create()
    if unresolved := unresolved_revisions(jobs.values()):
        sources.commits.update(_resolve(unresolved))
        write_json(sources.commits, store.root / COMMITS)
        jobs = _jobs(sources, base, likelihoods, configs, grades, judging)
    sources.save()
    finished = store.finished_keys()
    todo = missing([job for role, job in jobs.items() if role != "base"], finished)
    tell_judging(Estimator(store, sources, finished), todo, access)
    if todo and not _build(todo, store, _execution(arguments, sources.commits, access), jobs):
        print("stopped; what was answered is kept: the same command goes on", file=sys.stderr)
        return False
    folder = _link(arguments.model, store, jobs)
    measured = measure(arguments.model, folder, {role: store.folder(job) for role, job in jobs.items()})
    if arguments.json:
        print(json.dumps(measured, ensure_ascii=False, indent=2))
    else:
        print_measured(measured)
    return True


def _check_numbers(arguments: argparse.Namespace) -> None:
    for name in ("threads", "micro_batch_tokens"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}", "not a positive number", do="give 1 or more")


def _read_questions(data: Path, configs: Mapping[str, BenchmarkConfig]) -> None:
    """Reads every benchmark on this machine once, so that what is wrong with one is said before a model is loaded."""
    for config in configs.values():
        if config.folder is not None:
            benchmark_of(config).load(data / config.folder, config)


def _base(arguments: argparse.Namespace) -> tuple[BaseConfig, int | None]:
    """The model as a study's base, and tokens of its context where its config is at hand."""
    if arguments.server:
        return BaseConfig(served=arguments.model), None
    folder = named_folder(arguments.model)
    if folder is None:
        return BaseConfig(model=arguments.model), None
    return BaseConfig(model=str(folder.resolve())), _context(folder / "config.json")


def _context(path: Path) -> int | None:
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(path, f"not JSON: {error}", do="copy the checkpoint again") from None
    if not isinstance(config, dict):
        raise UserError(path, "not an object of JSON", expected="a model's config", do="copy the checkpoint again")
    return published_context(cast("dict[str, Any]", config))


def _known_commits(store: Store) -> dict[str, str]:
    """`id@revision` -> commit of what the Hub was asked for before in this store."""
    path = store.root / COMMITS
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _resolve(unresolved: Sequence[str]) -> dict[str, str]:
    from loanword.model.hub import resolve_commit

    return {name: resolve_commit(*name.rsplit("@", 1)) for name in unresolved}


def _jobs(
    sources: Sources,
    base: BaseConfig,
    likelihoods: LikelihoodsConfig,
    benchmarks: Mapping[str, BenchmarkConfig],
    grades: GradesConfig,
    judging: Judging,
) -> dict[str, Job]:
    """By role, the model's first."""
    naming = Naming(sources, {name: stage.version for name, stage in STAGES.items()})
    model = naming.job("base", base)
    return {"base": model, **asked_of(model, likelihoods, benchmarks, grades, judging, naming.job)}


def _execution(arguments: argparse.Namespace, commits: Mapping[str, str], access: JudgeAccess) -> Execution:
    if not arguments.server:
        check_device(arguments.device)
    return Execution(
        device=arguments.device,
        threads=arguments.threads or num_cores(),
        data=str(arguments.data.resolve()),
        micro_batch_tokens=arguments.micro_batch_tokens,
        commits=tuple(sorted(commits.items())),
        server=arguments.server,
        engine=arguments.engine,
        judge=access,
    )


def _build(todo: Sequence[Job], store: Store, execution: Execution, jobs: Mapping[str, Job]) -> bool:
    """Whether all of it is built; it is not where somebody stopped it."""
    # Imported here: with nothing to build, a second call need not know how to.
    from loanword.cli.drawing import Drawing
    from loanword.execution.local import LocalLauncher
    from loanword.execution.scheduler import Scheduler

    labels = {job.key: role for role, job in jobs.items()}
    with Drawing(labels, len(todo)) as drawing:
        launcher = LocalLauncher(execution, STAGES, DEFAULT_STAGES)
        scheduler = Scheduler(
            store, execution, STAGES, DEFAULT_STAGES, launcher, drawing, cost=lambda _: 1.0, smaller_cuts={}
        )
        return scheduler.build(todo)


def _link(model: str, store: Store, jobs: Mapping[str, Job]) -> Path:
    """Leaves links to all of it, in a folder that is named after the model and its content."""
    folder = evaluation_folder(store.root, f"{Path(model).name}-{jobs['base'].name[:6]}")
    for role, job in jobs.items():
        if store.finished(job):
            store.link(folder, role, job)
    return folder
