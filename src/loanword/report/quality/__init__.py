"""How good responses are, whether they stay in their language, and some of them to read."""
