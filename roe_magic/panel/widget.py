"""The live panel: one widget, whose JavaScript lays out what :mod:`roe_magic.panel.view` computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from roe_magic.panel.view import view as view_of
from roe_magic.query.query_state import QueryState

_HERE = Path(__file__).parent


class Panel(anywidget.AnyWidget):
    """A live view of one query.

    Parameters
    ----------
    state : QueryState
        What to show first.
    on_stop : callable, optional
        Called once per action (``"cancel"`` or ``"detach"``) when the reader presses the button. It may run on a thread
        of the kernel while a cell blocks, so it must be quick and safe to call from any thread: set an Event.
    """

    # Read as text, not given as paths: anywidget would watch the files of an editable install from a thread.
    _esm = (_HERE / "panel.js").read_text(encoding="utf-8")
    _css = (_HERE / "panel.css").read_text(encoding="utf-8")

    view = traitlets.Dict().tag(sync=True)
    # Apart from the view, so that a long SQL text is sent once.
    sql = traitlets.Unicode().tag(sync=True)

    def __init__(self, state: QueryState, on_stop: Callable[[str], object] | None = None) -> None:
        self._on_stop = on_stop
        self._pressed: set[str] = set()
        shown = self._shown(state)
        super().__init__(sql=shown.pop("sql"), view=shown)
        self.on_msg(lambda _widget, content, _buffers: self._receive(content))
        self._receive_while_blocked()

    def update(self, state: QueryState) -> None:
        """Show a new state; one thread at a time."""
        if state.cancel_problem:
            self._pressed.discard("cancel")  # it may be pressed again
        shown = self._shown(state)
        with self.hold_sync():
            self.sql = shown.pop("sql")
            self.view = shown

    def close(self) -> None:
        """Remove the widget, and the layout that ipywidgets made for it and would keep."""
        layout = self.layout
        super().close()
        layout.close()

    def _shown(self, state: QueryState) -> dict[str, Any]:
        return view_of(state, self._pressed)

    def _receive(self, content: object) -> None:
        """Handle a message of the front end; the same press may come twice, by two routes."""
        action = content.get("stop") if isinstance(content, dict) else None
        if action not in ("cancel", "detach") or action in self._pressed:
            return
        self._pressed.add(action)
        if self._on_stop is not None:
            self._on_stop(action)

    def _receive_while_blocked(self) -> None:
        """Receive the button's press while a cell blocks the kernel's main thread.

        ipykernel 7.4 asks ``_reply_subshell_for`` of the comm, on a thread of its own, which loop a message should go
        to, and that is the blocked one. The message is looked at on the way. Earlier versions of ipykernel 7 deliver it
        on a subshell's thread; with ipykernel 6 it waits until the cell ends.
        """
        comm = self.comm
        route = getattr(comm, "_reply_subshell_for", None)
        if route is None:
            return

        def listen(data: Any, default: Any) -> Any:
            if isinstance(data, dict) and data.get("method") == "custom":
                self._receive(data.get("content"))
            return route(data, default)

        comm._reply_subshell_for = listen  # noqa: SLF001  # there is no public way; the getattr above guards it
