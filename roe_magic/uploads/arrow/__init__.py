"""DataFrames and whatever else has rows and columns, as one Arrow stream that the engine reads exactly.

``frames_to_arrow`` is the way in. ``pandas_frame``, ``polars_frame`` and ``arrow_table`` read each library's columns;
every column is looked at as a whole (``source_column``, ``column_facts``), and then it has a plan (``column_plan``) or
a problem (``column_problem``). Cells that are Python objects pass through ``python_values`` first.
"""
