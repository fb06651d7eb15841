"""The local service: the same API on embedded ClickHouse."""
