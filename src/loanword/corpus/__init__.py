"""Text in, Document and Conversation records out."""
