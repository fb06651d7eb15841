"""Files of JSON objects are cut into objects as the local service cuts them."""

from __future__ import annotations

import io

import pytest

from roe_magic.client import RoeClient
from roe_magic.contract.models import NDJSON
from roe_magic.errors import BadRequestError, UsageError
from roe_magic.uploads import json_objects as module
from roe_magic.uploads.json_objects import json_objects
from roe_magic.uploads.ndjson_out import write_ndjson_as_csv

# Files with the rows {"a": 1} and {"a": 2}, and files that are refused.
TAKEN = [
    '{"a":1}\n{"a":2}\n',
    '{"a":1},\n{"a":2},\n',
    '{"a":1}\n,{"a":2}',
    '{"a":1}{"a":2}',
    '{"a":1} \t{"a":2}\r\n',
    '{\n "a": 1\n}\n\n{\n "a": 2\n}\n',
    '[{"a":1},{"a":2}]',
    '\ufeff[\n  {"a": 1},\n  {"a": 2}\n]\n\n',
    ' \n [{"a":1} {"a":2} ] ',
]
REFUSED = [
    "[]",
    '[{"a":1},{"a":2},]',
    '[{"a":1},{"a":2}',
    '{"a":1}]\n{"a":2}',
    '{"a":1};\n{"a":2}',
    '{"a":1},,{"a":2}',
    ',{"a":1}',
    '[{"a":1}]\n[{"a":2}]',
    '[{"a":1}]\n{"a":2}',
    '[[{"a":1}]]',
    '{"a":1} x {"a":2}',
    '{"a":1}}\n{"a":2}',
    "[1, 2]",
]


@pytest.mark.parametrize("text", TAKEN)
def test_objects_are_found_wherever_blocks_end(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """However they are broken into lines."""
    for size in (8, 9, 10, 11, 13, 1 << 20):
        monkeypatch.setattr(module, "_BLOCK", size)
        objects = [b"".join(found.split()) for _, found in json_objects(io.BytesIO(text.encode()))]
        assert objects == [b'{"a":1}', b'{"a":2}']


def test_objects_have_the_line_in_which_they_begin() -> None:
    """Counted from 1; quotation marks, brackets and line ends in text are no ends."""
    text = b'\n[\n{"a":"}\\"{\n"}, {"b":\n[{}]}\n\n,{"c":{"d":1}}\n]'
    assert list(json_objects(io.BytesIO(text))) == [
        (3, b'{"a":"}\\"{\n"}'),
        (4, b'{"b":\n[{}]}'),
        (7, b'{"c":{"d":1}}'),
    ]


def test_a_lost_bracket_does_not_read_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line where it was is told."""
    monkeypatch.setattr(module, "_BLOCK", 10)
    monkeypatch.setattr(module, "LONGEST_OBJECT", 100)
    file = io.BytesIO(b'{"a":1}\n{"a":{"b":1}\n' + b'{"a":1}\n' * 1000)
    with pytest.raises(UsageError, match="line 2, is not a JSON object"):
        write_ndjson_as_csv(file, io.BytesIO(), "t.jsonl")
    assert file.tell() < 1000


@pytest.mark.parametrize("text", [*TAKEN, *REFUSED])
@pytest.mark.integration
def test_a_file_is_read_as_the_local_service_reads_it(client: RoeClient, text: str) -> None:
    """Taken or refused by both."""
    read = io.BytesIO()
    if text in TAKEN:
        assert write_ndjson_as_csv(io.BytesIO(text.encode()), read, "t.jsonl") == ([], 2)
        assert read.getvalue() == b'"a"\n1\n2\n'
        client.upload("json_objects", io.BytesIO(text.encode()), content_type=NDJSON, replace=True)
        assert client.preview("json_objects").rows == [{"a": 1}, {"a": 2}]
    else:
        with pytest.raises(UsageError):
            write_ndjson_as_csv(io.BytesIO(text.encode()), read, "t.jsonl")
        with pytest.raises(BadRequestError):
            client.upload("json_objects", io.BytesIO(text.encode()), content_type=NDJSON, replace=True)
