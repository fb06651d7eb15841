"""What runs SQL: the policy on statements (``sql``), and the embedded engine (``chdb``)."""
