"""The settings of ``%config RoeMagic``."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Enum, Float, Int, TraitError, Unicode, validate
from traitlets.config import Configurable

from roe_magic.errors import RoeError
from roe_magic.magic.setting_checks import TRAIT_CHECKS


class MagicSettings(Configurable):
    """The magic's settings; a value that makes no sense is refused where it is set."""

    profile = Unicode("", help="The stored profile to use; `roe-magic login NAME` stores one.").tag(config=True)
    base_url = Unicode("", help="The API's address; a key is sent only to the address it belongs to.").tag(config=True)
    organization_id = Unicode("", help="The organisation (a UUID) that queries run for.").tag(config=True)
    api_key_variable = Unicode("", help="The name of an environment variable that holds the API key.").tag(config=True)
    timeout = Float(
        None, allow_none=True, help="The deadline of one HTTP request in seconds, 0 for none [60; ROE_TIMEOUT]."
    ).tag(config=True)
    max_retries = Int(
        None, allow_none=True, help="How often a request that is safe to repeat is sent again [3; ROE_MAX_RETRIES]."
    ).tag(config=True)
    displaylimit = Int(10, allow_none=True, help="Show this many rows of a result; None: up to 1,000.").tag(config=True)
    autopandas = Bool(False, help="Return a pandas DataFrame instead of the WorksheetQuery.").tag(config=True)
    autopolars = Bool(False, help="Return a polars DataFrame instead of the WorksheetQuery.").tag(config=True)
    dtype_backend = Enum(
        ["numpy_nullable", "pyarrow"],
        "numpy_nullable",
        help="The dtypes of pandas DataFrames, as in read_csv, of --df, autopandas and df() of later queries.",
    ).tag(config=True)
    tz = Unicode(
        "",
        help="The zone of times in pandas DataFrames, of --df, autopandas and df() of later queries; empty: their own.",
    ).tag(config=True)
    max_result_bytes = Int(
        2_000_000_000,
        allow_none=True,
        help="Ask before more bytes than this are downloaded for one query; None: never ask.",
    ).tag(config=True)
    panel = Enum(
        ["auto", "live", "static", "off"],
        "auto",
        help="How the status panel is shown; auto: live, but static in batch runs.",
    ).tag(config=True)
    progress_after = Float(0.2, help="Show the live panel of a query after this many seconds.").tag(config=True)
    short_errors = Bool(True, help="Show an error's message without the traceback.").tag(config=True)

    @validate(*TRAIT_CHECKS)
    def _check(self, proposal: Any) -> Any:
        try:
            TRAIT_CHECKS[proposal["trait"].name](proposal["value"])
        except RoeError as error:
            raise TraitError(str(error)) from None
        return proposal["value"]
