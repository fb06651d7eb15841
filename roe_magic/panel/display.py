"""Where and when the panel is shown: live in a notebook, and replaced by its static form at the end.

``show`` publishes the widget, with the static HTML and text beside it, and passes each later state to it. ``follow``
does so, too, but does not wait for the widget library to be imported, which takes a while the first time. ``finish``
replaces the output by the static form, which a saved notebook shows everywhere. A terminal or a batch run gets the
static form alone, once, at the end.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from roe_magic.formatting import clean_message
from roe_magic.imports import load, load_soon
from roe_magic.panel import static
from roe_magic.query.query_state import QueryState

if TYPE_CHECKING:
    from roe_magic.panel.widget import Panel

Mode = Literal["auto", "live", "static", "off"]

_log = logging.getLogger(__name__)
# A download reports many chunks a second; nobody sees more updates than these.
_SECONDS_BETWEEN_UPDATES = 0.1
_WIDGET = "roe_magic.panel.widget"


class Display:
    """Shows one query from its start to its end. Nothing that goes wrong here reaches the query.

    Parameters
    ----------
    mode : {"auto", "live", "static", "off"}
        ``live``: a widget that is replaced at the end by its static form, so that the saved notebook is right
        everywhere. ``static``: nothing until the end. ``auto``: live where somebody watches a notebook; static in
        terminals, under ``%%capture`` and in batch runs (nbclient, nbval, papermill). ``off``: no panel; what the
        server has to say about the query is printed at the end, one line each.
    on_stop : callable, optional
        See :class:`roe_magic.panel.widget.Panel`.
    """

    def __init__(self, mode: Mode = "auto", on_stop: Callable[[str], object] | None = None) -> None:
        self._shell = running_shell()
        self._live = mode not in ("off", "static") and can_be_live(self._shell, watched=mode == "auto")
        self._off = mode == "off"
        self._on_stop = on_stop
        self._id = uuid.uuid4().hex
        self._panel: Panel | None = None
        self._published = False
        self._shows_id = False
        self._shown: QueryState | None = None
        self._drawn = 0.0

    def follow(self, state: QueryState) -> None:
        """Show a state if it is a new one, and as soon as that does not take long; to be called again and again."""
        if state is not self._shown and (not self._live or load_soon(_WIDGET)):
            self.show(state)

    def show(self, state: QueryState) -> None:
        """Show a state of the query; one thread at a time. The first one publishes the widget."""
        self._safely(self._draw, state)

    def finish(self, state: QueryState, *, rows_hidden: bool = False) -> None:
        """Replace what is shown by the static form. A second call replaces it again.

        Parameters
        ----------
        state : QueryState
        rows_hidden : bool
            Whether the rows are not shown below, because of a semicolon; it is said then, in any mode.
        """
        self._safely(lambda state: self._finish(state, rows_hidden), state)

    def _finish(self, state: QueryState, rows_hidden: bool) -> None:
        if not self._off:
            self._write(state, rows_hidden)
        elif lines := static.notes(state, rows_hidden=rows_hidden):
            print(lines)

    def _draw(self, state: QueryState) -> None:
        if not self._live:
            return
        if self._panel is None:  # the first import of the widget library, which nothing else in the package needs
            self._panel = load(_WIDGET).Panel(state, self._on_stop)
        elif state.download is None or time.monotonic() - self._drawn >= _SECONDS_BETWEEN_UPDATES:
            self._panel.update(state)
            self._drawn = time.monotonic()
        self._shown = state
        if not self._published or (state.query_id is not None and not self._shows_id):
            self._show_widget(self._panel, state)

    def _show_widget(self, panel: Panel, state: QueryState) -> None:
        """Publish the widget, and with it the static form for readers that know none.

        Once more when the query's id is known: a notebook that is saved before the end then names the query.
        """
        data, metadata = panel._repr_mimebundle_() or ({}, {})
        self._publish({**data, **_static_form(state)}, metadata)
        self._shows_id = state.query_id is not None

    def _write(self, state: QueryState, rows_hidden: bool) -> None:
        if self._published and not hasattr(self._shell, "kernel"):
            return  # a terminal cannot replace what it has printed
        try:
            self._publish(_static_form(state, rows_hidden=rows_hidden), {})
        finally:
            panel, self._panel, self._live = self._panel, None, False
            if panel is not None:
                panel.close()

    def _publish(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        if self._shell is None:
            print(data["text/plain"])
        else:
            transient = {"display_id": self._id}
            self._shell.display_pub.publish(data, metadata, transient=transient, update=self._published)
        self._published = True

    def _safely(self, step: Callable[[QueryState], None], state: QueryState) -> None:
        try:
            step(state)
        except Exception:  # a query must not fail because its picture could not be drawn
            self._live = False
            _log.warning("The panel could not be shown.\n%s", clean_message(traceback.format_exc()))


def _static_form(state: QueryState, *, rows_hidden: bool = False) -> dict[str, Any]:
    return {
        "text/html": static.html(state, rows_hidden=rows_hidden),
        "text/plain": static.text(state, rows_hidden=rows_hidden),
    }


def running_shell() -> Any:
    """Return the running IPython shell, without loading IPython where there is none."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def can_be_live(shell: Any, *, watched: bool) -> bool:
    """Whether a widget can be shown here and, where ``watched`` is required, whether somebody is there to see it."""
    if getattr(shell, "kernel", None) is None:
        return False
    captured = type(shell.display_pub).__name__ == "CapturingDisplayPublisher"
    # A captured cell would keep a widget that is closed by the time it is shown.
    return not watched or (takes_input(shell) and not captured)


def takes_input(shell: Any) -> bool:
    """Whether somebody can answer a question: not in a batch run (nbclient, nbval, papermill)."""
    kernel = getattr(shell, "kernel", None)
    return kernel is None or bool(kernel._allow_stdin)  # noqa: SLF001  # no public attribute says so
