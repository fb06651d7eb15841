"""The panel: what a reader sees of a query while it lives and after it ended.

``view`` computes what is shown, ``widget`` shows it live, ``static`` writes it as HTML and text, ``display`` chooses
between them. Importing this package loads no widget library.
"""

from roe_magic.panel.display import Display
from roe_magic.panel.static import html, text
from roe_magic.panel.view import view

__all__ = ["Display", "html", "text", "view"]
