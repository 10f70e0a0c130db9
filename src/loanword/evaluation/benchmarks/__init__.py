"""The benchmarks that a study file can name, one file each."""

from loanword.evaluation.benchmark import Benchmark
from loanword.evaluation.benchmarks.ceval import CEVAL
from loanword.evaluation.benchmarks.mmlu import MMLU

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in (CEVAL, MMLU)}
