"""The service's own state in SQLite: organisations, users, API keys, worksheets, queries."""
