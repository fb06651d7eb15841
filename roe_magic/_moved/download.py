"""The module ``roe_magic.download`` before its names moved: pickles of that time hold them."""

from roe_magic.errors import ResultNotReady as NotReady  # noqa: F401
