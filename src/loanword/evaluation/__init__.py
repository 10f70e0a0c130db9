"""Questions and held-out text in, what a model says and our judgement out; free of torch."""
