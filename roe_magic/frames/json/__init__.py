"""JSON rows to canonical Arrow."""
