"""Where and when the panel is shown: live in a notebook, and written down for good at the end."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from roe_magic.panel import static
from roe_magic.panel.view import Snapshot

if TYPE_CHECKING:
    from roe_magic.panel.widget import Panel

Mode = Literal["auto", "live", "static", "off"]

_log = logging.getLogger(__name__)
# A download reports every chunk; more pictures than this a second nobody sees.
_SECONDS_BETWEEN_PICTURES = 0.1


class Display:
    """Show one query from its start to its end. Nothing that goes wrong here reaches the query.

    Parameters
    ----------
    mode : {"auto", "live", "static", "off"}
        ``live``: a widget that is replaced at the end by its static twin, so that the saved notebook is right
        everywhere. ``static``: nothing until the end. ``auto``: live where somebody watches a notebook; static in
        terminals, under ``%%capture`` and in batch runs (nbclient, nbval, papermill).
    on_stop : callable, optional
        See :class:`roe_magic.panel.widget.Panel`.
    after : float
        Seconds of ``Snapshot.elapsed`` before the widget appears: a quick query needs none.
    """

    def __init__(
        self, mode: Mode = "auto", on_stop: Callable[[str], object] | None = None, *, after: float = 0.0
    ) -> None:
        self._shell = _shell()
        self._live = mode not in ("off", "static") and _can_be_live(self._shell, watched=mode == "auto")
        self._off = mode == "off"
        self._on_stop = on_stop
        self._after = after
        self._id = uuid.uuid4().hex
        self._panel: Panel | None = None
        self._published = False
        self._named = False
        self._drawn = 0.0

    def show(self, snapshot: Snapshot) -> None:
        """Show the query for the first time."""
        self._safely(self._draw, snapshot)

    def update(self, snapshot: Snapshot) -> None:
        """Show another moment of it; from any one thread."""
        self._safely(self._draw, snapshot)

    def finish(self, snapshot: Snapshot) -> None:
        """Write its end down for good. A second call writes it again in the same place."""
        if not self._off:
            self._safely(self._write, snapshot)

    def _draw(self, snapshot: Snapshot) -> None:
        if not self._live or snapshot.elapsed < self._after:
            return
        if self._panel is None:
            self._open(snapshot)
        elif snapshot.downloaded is None or time.monotonic() - self._drawn >= _SECONDS_BETWEEN_PICTURES:
            self._panel.update(snapshot)
            self._drawn = time.monotonic()
        if snapshot.query_id is not None and not self._named:
            self._show_widget(snapshot)

    def _open(self, snapshot: Snapshot) -> None:
        # The first import of the widget library, which nothing else in the package needs.
        from roe_magic.panel.widget import Panel

        self._panel = Panel(snapshot, self._on_stop)
        self._show_widget(snapshot)

    def _show_widget(self, snapshot: Snapshot) -> None:
        """Show the widget, and with it the static twin for readers that know none.

        Once more when the query's id is known: a notebook that is saved before the end then names the query.
        """
        assert self._panel is not None  # _open made it
        data, metadata = self._panel._repr_mimebundle_() or ({}, {})
        self._publish({**data, **_twin(snapshot)}, metadata)
        self._named = snapshot.query_id is not None

    def _write(self, snapshot: Snapshot) -> None:
        if self._published and not hasattr(self._shell, "kernel"):
            return  # a terminal cannot replace what it has printed
        self._publish(_twin(snapshot), {})
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

    def _safely(self, step: Callable[[Snapshot], None], snapshot: Snapshot) -> None:
        try:
            step(snapshot)
        except Exception:  # a query must not fail because its picture could not be drawn
            self._live = False
            _log.warning("The panel could not be shown.", exc_info=True)


def _twin(snapshot: Snapshot) -> dict[str, Any]:
    return {"text/html": static.html(snapshot), "text/plain": static.text(snapshot)}


def _shell() -> Any:
    """Find the running IPython shell, without loading IPython where there is none."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _can_be_live(shell: Any, *, watched: bool) -> bool:
    """Tell whether a widget can be shown here and, when ``watched`` is asked, whether somebody is there to see it."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    # Batch runs take no input; a captured cell would keep a widget that is closed by the time it is shown.
    captured = type(shell.display_pub).__name__ == "CapturingDisplayPublisher"
    return not watched or (bool(kernel._allow_stdin) and not captured)  # noqa: SLF001  # the only place that says so
