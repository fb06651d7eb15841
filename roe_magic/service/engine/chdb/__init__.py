"""The embedded engine: ClickHouse as a library (chDB), in a child process.

In the order of a call: ``engine`` (in the service), ``process`` (its pipe to the child), ``worker`` (the child's main),
``submission`` (one query), ``database`` (the only user of chDB).
"""
