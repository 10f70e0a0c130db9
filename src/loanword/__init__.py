"""Take an English-dominant language model to another language, and prove what was gained and lost."""
