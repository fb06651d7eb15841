"""The panel: what a reader sees of a query while it lives and after it ended.

``state`` says what to show, ``widget`` shows it live, ``static`` writes it down for good, ``display`` chooses between
them. Importing this package loads no widget library.
"""

from roe_magic.panel.display import Display
from roe_magic.panel.static import html, text
from roe_magic.panel.view import Snapshot, view

__all__ = ["Display", "Snapshot", "html", "text", "view"]
