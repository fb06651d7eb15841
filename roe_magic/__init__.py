"""SQL in notebook cells on Roe's async query API."""

__version__ = "0.1.0"
