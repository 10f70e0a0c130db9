"""What the worker server imports before it forks: everything heavy, nothing that starts threads or touches a device."""

import os

# OpenBLAS starts its threads at import, and a forked child would inherit the locks but not the threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib

for heavy in ("evaluation.choices", "model.score", "model.hub", "stages", "training.stage"):
    importlib.import_module(f"loanword.{heavy}")
