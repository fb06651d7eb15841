"""SQL text, read without a server."""
