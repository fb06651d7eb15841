"""Delivery: whether a request may be sent, and whether that has begun."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from roe_magic.errors import ConnectFailed


@dataclass
class Delivery:
    """What the caller of a request and the connection that sends it have to know of each other.

    Attributes
    ----------
    stop : threading.Event
        Set when the caller has left: nothing is sent any more.
    begun : bool
        Whether bytes of the request may have been sent. Where it is false after ``stop`` was set, none ever will.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    begun: bool = False

    def begin(self) -> None:
        """Note that bytes are sent from now on; raise ConnectFailed where the caller has left before."""
        # Noted first: whoever sets the event and then reads `begun` errs on the safe side.
        self.begun = True
        if self.stop.is_set():
            self.begun = False
            raise ConnectFailed("The request was stopped before it was sent.")
