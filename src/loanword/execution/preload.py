"""What the worker server imports before it forks: everything heavy, nothing that starts threads or touches a device."""

import os

# OpenBLAS starts its threads at import, and a forked child would inherit the locks but not the threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A worker has the threads that its Execution gives it; tokenizers would start one a core besides.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import importlib
import signal

# A scheduler of a cluster sends SIGTERM to all processes, and workers that write a checkpoint then need this one still.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
# Ctrl-C goes to the whole group; it is the scheduler's to answer.
signal.signal(signal.SIGINT, signal.SIG_IGN)

HEAVY = (
    "stages",
    "corpus.build",
    "corpus.instructions",
    "corpus.sources",
    "corpus.overlap",
    "tokenizer.learn",
    "tokenizer.extend",
    "tokenizer.measure",
    "tokens.pack",
    "tokens.chat",
    "tokens.stream",
    "tokens.templates",
    "tokens.turns",
    "tokens.budget",
    "model.opening",
    "model.hub",
    "training.stage",
    "evaluation.likelihood",
    "evaluation.answering",
    "evaluation.check",
    "evaluation.facts",
    "evaluation.grading",
    "evaluation.benchmarks",
)
for room in HEAVY:
    importlib.import_module(f"loanword.{room}")
