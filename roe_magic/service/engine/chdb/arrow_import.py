"""Plans the import of an Arrow file or stream."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roe_magic.contract import models
from roe_magic.service.engine.chdb.database import EmbeddedClickHouse
from roe_magic.service.engine.chdb.file_source import FileSource
from roe_magic.service.engine.chdb.import_plan import ImportPlan, require_columns
from roe_magic.service.results import writer

_FORMATS = {models.ARROW_STREAM: "ArrowStream", models.ARROW_FILE: "Arrow"}


def plan(
    clickhouse: EmbeddedClickHouse,
    path: Path,
    content_type: str,
    types: Mapping[str, str],
    settings: Mapping[str, str],
) -> ImportPlan:
    """Return how a file with a schema of its own is to be imported; parameters as those of ``csv_import.plan``."""
    source = FileSource(str(path), _FORMATS[content_type], settings)
    text = clickhouse.query(f"DESCRIBE {source.sql()}", settings, output_format="JSONCompactEachRow")
    columns = [models.UploadColumn(name=name, type=kind) for name, kind, *_ in writer.decode_lines(text)]
    require_columns(types, [column.name for column in columns])
    return ImportPlan(columns, f"SELECT * FROM {source.sql()}", settings)  # noqa: S608  # quoted
