"""Rows as HTML and as plain text: the repr of a WorksheetQuery and of its statements.

A repr shows the rows only; how the query ran is in the panel. ``statements.py`` goes through the statements;
``shown_rows.py`` chooses the rows and columns of one, ``cells.py`` what a cell says; ``html_table.py`` and
``text_table.py`` lay them out. Everything from the server is escaped, and whatever is left out is said.
"""

from roe_magic.query.render.html_table import preformatted
from roe_magic.query.render.shown_rows import expression, frame_call
from roe_magic.query.render.statements import html, text

__all__ = ["expression", "frame_call", "html", "preformatted", "text"]
