"""What an object that has rows answers to those who take it for a DataFrame: an error that names ``df()``.

pandas makes a DataFrame of such an object from its array, or else from what it iterates over; of a mapping that would
be the keys, as rows. So ``__array__`` refuses the constructor of pandas. To numpy itself the object is one value, so
that a list or a column of them stays what it is.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from roe_magic.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

# The functions that make a DataFrame, or a column, of one object, as (module, name).
_CONSTRUCTORS = {
    ("pandas.core.frame", "__init__"),
    ("pandas.core.construction", "sanitize_array"),
    ("polars._utils.construction.dataframe", "dict_to_pydf"),
}


class RowHints(ABC):
    """Mixin of objects whose rows are elsewhere; it has no public names."""

    @abstractmethod
    def _hint(self, name: object) -> str:
        """Return where the rows are, or the column of this name."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        import numpy as np

        refuse_constructor(self._hint(None))
        array = np.empty((), object)
        array[()] = self
        return array

    if not TYPE_CHECKING:  # type checkers shall find misspelt names

        def __getattr__(self, name: str) -> Any:
            """Raise an AttributeError that says where the rows are; who looks for a method still finds none."""
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                message += f". {self._hint(name)}"
            raise AttributeError(message)


def refuse_constructor(hint: str) -> None:
    """Raise a UsageError if the function that calls this is called by the DataFrame constructor of pandas or polars."""
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    if caller is not None and (caller.f_globals.get("__name__"), caller.f_code.co_name) in _CONSTRUCTORS:
        raise UsageError("A query or a result cannot be made into a DataFrame itself.", hint=hint)
