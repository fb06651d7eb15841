"""The embedded engine: ClickHouse as a library (chDB), in a process of its own.

In the order of a call: ``engine`` (in the service), ``process`` (the socket to the other process), ``pipe_messages``
(what is sent), ``worker`` (the other process's main), ``submission`` (one query), ``database`` (the only user of chDB).
What the other process may do: ``sandbox``, ``seccomp``, ``watchdog``. Tables: ``table_catalogue``. Uploaded
files: ``table_import`` (a file becomes a table), ``import_plan`` (how), and one module for each format, such as
``csv_import`` with ``csv_file`` and ``csv_types``; ``file_source``.
"""
