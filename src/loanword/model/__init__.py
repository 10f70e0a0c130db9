"""Hugging Face models: loading and saving, packed attention, new rows for new pieces."""
