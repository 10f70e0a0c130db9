"""Text to ids and back: load, learn, extend and measure tokenizers; a base's ids never move."""
