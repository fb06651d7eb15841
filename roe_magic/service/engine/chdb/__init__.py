"""The embedded engine: ClickHouse as a library (chDB), in a process of its own.

In the order of a call: ``engine`` (in the service), ``process`` (the socket to the other process), ``pipe_messages``
(what is sent), ``worker`` (the other process's main), ``submission`` (one query), ``database`` (the only user of chDB).
What the other process may do: ``sandbox``, ``seccomp``, ``watchdog``. Tables and uploaded files: ``table_catalogue``,
``csv_file``, ``csv_types``, ``file_source``.
"""
