"""Files that become tables.

``table_import`` carries out an import: it asks the module of the file's format for a plan (``import_plan``), then fills
a table and renames it. ``csv_import``, ``arrow_import`` and ``ndjson_import`` make the plans.
"""
