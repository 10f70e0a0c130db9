"""What the worker server imports before it forks: everything heavy, nothing that starts a thread or touches a device."""

import os

# OpenBLAS starts its threads at import, and a forked child would inherit the locks but not the threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import loanword.evaluation.choices
import loanword.model.load
import loanword.model.score
import loanword.stages
import loanword.training.loop  # noqa: F401
