"""Multipart forms, however their bytes arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request

from roe_magic.service.http.multipart import MAX_PARTS, parts
from roe_magic.service.http.problems import Problem

Read = list[tuple[str, bool, str, bytes]]
# What looks like the beginning of a boundary, and is none.
CONTENT = b"\r\n--\r\n--bound\r\n-\r\r\n--boundar\r\n--bound_\x00\xff"
FORM = (
    b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n'
    b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
    b"Content-Type: Text/CSV; header=x\r\n\r\n" + CONTENT + b"\r\n--boundary--\r\n"
)


def read(
    chunks: Iterable[bytes], *, skip: bool = False, content_type: str = "multipart/form-data; boundary=boundary"
) -> Read:
    """Return the parts of a form whose bytes arrive in these chunks."""
    remaining = iter(chunks)

    async def receive() -> dict[str, object]:
        chunk = next(remaining, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def collect() -> Read:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
        found: Read = []
        async for part in parts(Request(scope, receive)):
            data = b"" if skip else b"".join([chunk async for chunk in part.data])
            found.append((part.name, part.is_file, part.content_type, data))
        return found

    return asyncio.run(collect())


WHOLE = [("a", False, "", b"value"), ("file", True, "text/csv", CONTENT)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 13, 64, 1000])
def test_a_form_is_the_same_however_it_is_cut(size: int) -> None:
    """Boundaries may be spread over chunks, and a file may hold what looks like the beginning of one."""
    assert read(FORM[start : start + size] for start in range(0, len(FORM), size)) == WHOLE


def test_a_form_may_be_cut_anywhere() -> None:
    """Each single position is a place to cut."""
    for position in range(len(FORM)):
        assert read([FORM[:position], FORM[position:]]) == WHOLE, position


def test_what_is_not_read_is_skipped() -> None:
    """The next part comes after the data of the one before, read or not."""
    assert [name for name, *_ in read([FORM], skip=True)] == ["a", "file"]


@pytest.mark.parametrize("length", range(1, len(FORM) - len(b"--\r\n") + 1, 9))
def test_a_form_that_ends_too_early_is_refused(length: int) -> None:
    """Without its last boundary a form is not whole."""
    with pytest.raises(Problem, match="multipart form") as caught:
        read([FORM[:length]])
    assert caught.value.status == 400


HEADER = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n'


@pytest.mark.parametrize(
    "form",
    [
        b"no boundary",
        b"--boundary\r\nContent-Disposition: form-data\r\n\r\nv\r\n--boundary--\r\n",
        b'--boundary\r\nContent-Disposition: attachment; name="a"\r\n\r\nv\r\n--boundary--\r\n',
        b"--boundary\r\n\r\nv\r\n--boundary--\r\n",
        HEADER.replace(b'"a"', b'"\xff"') + b"\r\nv\r\n--boundary--\r\n",
        HEADER + b"X: y\r\n" * 5000 + b"\r\nv\r\n--boundary--\r\n",
        HEADER + b"X: " + b"y" * 100_000 + b"\r\n\r\nv\r\n--boundary--\r\n",
        (HEADER + b"\r\nv\r\n") * (MAX_PARTS + 1) + b"--boundary--\r\n",
    ],
)
def test_what_is_no_form_is_refused(form: bytes) -> None:
    """The Problem is a 400 that says what is wrong."""
    with pytest.raises(Problem) as caught:
        read([form])
    assert caught.value.status == 400


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 10_000])
def test_a_content_type_without_a_usable_boundary_is_refused(content_type: str) -> None:
    """Nothing tells the parts apart."""
    with pytest.raises(Problem) as caught:
        read([FORM], content_type=content_type)
    assert caught.value.status == 400
