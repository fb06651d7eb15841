"""A server that writes hostile text into every field, and a look at what left the client."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.scripted_server import ScriptedServer, answer

KEY = "roe-canary-7d03be9a41"
ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
WORKSHEET = "7f1b0c1e-52b1-4f7a-9a63-0f0f1d3c2b11"
STATUS, RESULT = f"/v1/database/query/{ID}/status/", f"/v1/database/query/{ID}/result/"
# It erases the screen, begins a link, hides what follows, turns the direction, and would run a script in a page.
HOSTILE = (
    f"evil\x1b[2J\x1b]8;;http://evil.test/\x07link\x1b]8;;\x07\x1b[8mhidden\u202etxt\u200b\0\b\ud800"
    f"<script>window.owned=1</script><img src=x onerror=window.owned=1>Bearer {KEY}"
)
LONG = HOSTILE + "y" * 1_000_000
# What is no hidden character: the line ends and tabs of a text, and the joiners that scripts need.
_HARMLESS = "\n\t\u200c\u200d"
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# What errors are coloured with; 8 conceals what follows.
_COLOUR = re.compile(r"\x1b\[(?!8m)[\d;]*m")
# A text is some kilobytes, a table of texts has many of them.
LONGEST = 12_000
_WIRE = Path(__file__).parents[1] / "wire"


def problems_in(text: str, *, longest: int = LONGEST) -> list[str]:
    """Return what must not be in a text that leaves: hidden characters, the key, more than some kilobytes."""
    shown = _COLOUR.sub("", text)
    hidden = {char for char in set(shown) if unicodedata.category(char) in _HIDDEN and char not in _HARMLESS}
    found = [f"U+{ord(char):04X}" for char in sorted(hidden)]
    found += ["the key"] if KEY in shown else []
    return found + ([f"{len(shown)} characters"] if len(shown) > longest else [])


def sample(name: str) -> Any:
    """Return a sample of the wire."""
    return json.loads((_WIRE / f"{name}.json").read_text("utf-8"))


def poisoned(value: Any, text: str = HOSTILE) -> Any:
    """Return a JSON value with the hostile text in each field that may be any text, and in one more."""
    if isinstance(value, dict):
        return {**{name: poisoned(item, text) for name, item in value.items()}, "more": text}
    if isinstance(value, list):
        return [poisoned(item, text) for item in value]
    return text if isinstance(value, str) and not _is_fixed(value) else value


def _is_fixed(text: str) -> bool:
    """Whether a text is an id, a time, or one of the words of the contract."""
    if text in ("SUCCESS", "FAILURE", "REVOKED", "PENDING", "STARTED"):
        return True
    for read in (UUID, datetime.fromisoformat):
        try:
            read(text.replace("Z", "+00:00") if read is not UUID else text)
        except ValueError:
            continue
        return True
    return False


def result(text: str = HOSTILE, types: tuple[str, ...] = ("String", "UInt8", "Array(String)")) -> dict[str, Any]:
    """Return a result with two statements whose names, cells and SQL are hostile."""
    row = {"String": text, "UInt8": 1, "Array(String)": [text, text]}
    statement = {
        "query": f"SELECT 1 AS `{text}`",
        "row_count": 2,
        "column_names": [f"{index}{text}" for index in range(len(types))],
        "column_types": list(types),
        "result_rows": [[row.get(kind, text) for kind in types]] * 2,
        "more": text,
    }
    return {"worksheet_query_id": ID, "status": "SUCCESS", "results": [statement, statement], "error": None}


def submitted(text: str = HOSTILE, **fields: Any) -> dict[str, Any]:
    """Return the submit's answer; it succeeded unless ``fields`` say something else."""
    return {**poisoned(sample("submit-200-finished"), text), "notices": [text, text], **fields}


def status(text: str = HOSTILE, **fields: Any) -> dict[str, Any]:
    """Return the answer of the status endpoint."""
    return {**poisoned(sample("status-200-failure"), text), "status": "SUCCESS", "notices": [text], **fields}


def hostile_server(text: str = HOSTILE) -> ScriptedServer:
    """Return a server, to be closed by the caller, in all of whose answers there is the hostile text."""
    tables = poisoned(sample("tables-200"), text)
    worksheet = poisoned(sample("submit-200")["worksheet"], text)
    server = ScriptedServer()
    server.on("GET", "/v1/users/current_user/", answer(poisoned(sample("user-200"), text)))
    server.on("GET", "/v1/tables/", answer({**tables, "upload_types": ["text/csv"]}))
    server.on("GET", "/v1/tables/t/describe/", answer(poisoned(sample("describe-200"), text)))
    uploaded = {"columns": [{"name": text, "type": text, "reason": text}], "notices": [text]}
    server.on("POST", "/v1/tables/upload/", answer({**poisoned(sample("upload-201"), text), **uploaded}, 201))
    server.on("GET", "/v1/worksheets/", answer([worksheet]))
    server.on("GET", f"/v1/worksheets/{WORKSHEET}/queries/", answer([submitted(text), submitted(text)]))
    server.on("POST", "/v1/database/query/async/", answer(submitted(text)))
    server.on("GET", STATUS, answer(status(text)))
    server.on("GET", RESULT, answer(result(text)))
    return server
