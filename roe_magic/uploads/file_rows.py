"""The rows of Parquet and Arrow files, for servers that take CSV alone."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet

from roe_magic.contract.models import ARROW_FILE, PARQUET
from roe_magic.errors import UsageError
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from roe_magic.uploads.arrow.arrow_table import from_stream
from roe_magic.uploads.sources import UploadSource


def arrow_rows(source: UploadSource) -> ArrowSource:
    """Return the rows of a Parquet or Arrow file; raise UsageError where it cannot be read."""
    try:
        reader = _reader(source)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{source.name!r} cannot be read: {str(error).rstrip('.')}.") from None
    return from_stream(reader, repr(source.name))


def _reader(source: UploadSource) -> pa.RecordBatchReader:
    if source.content_type == PARQUET:
        parquet = pyarrow.parquet.ParquetFile(source.file)
        return pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches())
    if source.content_type == ARROW_FILE:
        file = pa.ipc.open_file(source.file)
        batches = (file.get_batch(index) for index in range(file.num_record_batches))
        return pa.RecordBatchReader.from_batches(file.schema, batches)
    return pa.ipc.open_stream(source.file)
