"""A base that a test's study trains in a moment, as TOML: the beginning of a recipe that aims at Chinese."""

RECIPE = """
[recipe]
target = "zh"
[recipe.base.train]
num_tokens = 100_000
tokenizer = { num_pieces = 400 }
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.base.train.architecture]
width = 32
num_layers = 2
num_heads = 2
num_key_value_heads = 1
feed_forward_width = 64
context_tokens = 256
"""
