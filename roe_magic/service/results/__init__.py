"""Rows of ended queries on disk: Arrow streams, one file per statement."""
