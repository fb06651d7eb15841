"""What the service stores of itself: organisations, users, keys, worksheets and queries, in SQLite."""
