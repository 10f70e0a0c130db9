"""Where and how missing artifacts are built."""
