"""The embedded engine: ClickHouse as a library (chDB), in a process of its own.

In the order of a call: ``engine`` (in the service), ``process`` (the pipe to the other process), ``messages`` (what is
sent), ``worker`` (the other process's main), ``submission`` (one query), ``database`` (the only user of chDB). Tables
and uploaded files: ``table_catalogue``, ``csv_file``, ``csv_types``, ``file_source``.
"""
