"""The engine: what a statement may do (``sql``), and the embedded ClickHouse that runs it (``chdb``)."""
