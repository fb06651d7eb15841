"""The module ``roe_magic.models`` before its names moved: pickles of that time hold them."""

from roe_magic.contract.models import *  # noqa: F403
from roe_magic.contract.models import WorksheetQueryResponse as WorksheetQuery  # noqa: F401
