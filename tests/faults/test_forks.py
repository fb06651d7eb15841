"""A client that has sent before, used by the processes that are forked of its own."""

from __future__ import annotations

import multiprocessing
import uuid

from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.query.running_query import RunningQuery
from tests.faults.conftest import Record
from tests.support.scripted_server import Request, ScriptedServer, Step, answer

WHEN = "2026-03-01T12:00:00Z"


def own_number(request: Request) -> Step:
    """Answer `SELECT n` with n: its id is n, and so are its rows."""
    if request.method == "POST":
        sql = request.json()["query"]
        query_id = str(uuid.UUID(int=int(sql.removeprefix("SELECT "))))
        times = {"created_at": WHEN, "updated_at": WHEN, "finished_at": WHEN}
        rest = {"query_task_id": None, "query_task_status": "SUCCESS", "error": None, "ai_summary": None}
        return answer({"id": query_id, "query": sql, **times, **rest})
    query_id = request.path.split("/")[4]
    cell = uuid.UUID(query_id).int
    rows = {"row_count": 1, "column_names": ["n"], "column_types": ["UInt64"], "result_rows": [[cell]]}
    return answer({"worksheet_query_id": query_id, "status": "SUCCESS", "results": [{"query": "", **rows}]})


CLIENTS: list[RoeClient] = []


def wrong_answers(numbers: range) -> list[str]:
    """Run a query for each number on the client that was there before the fork; return what went wrong."""
    wrong = []
    for number in numbers:
        query = RunningQuery(CLIENTS[0], f"SELECT {number}").start().wait(60)
        if query.df()["n"].tolist() != [number] or query.notices:
            wrong.append(f"{number}: {query.df()['n'].tolist()} {query.notices}")
    return wrong


def test_forked_workers_read_their_own_answers(seen: Record) -> None:
    """On connections that they share, they would read each other's."""
    with ScriptedServer() as server:
        server.script = own_number
        CLIENTS[:] = [RoeClient(Settings(base_url=server.url, api_key=Secret("roe-key-of-a-test")))]
        assert wrong_answers(range(1000, 1003)) == []
        with multiprocessing.get_context("fork").Pool(4) as pool:
            found = pool.map(wrong_answers, [range(start, start + 30) for start in range(0, 240, 30)], chunksize=1)
        assert wrong_answers(range(2000, 2003)) == []
        executed = [request.json()["query"] for request in server.got("POST")]
    seen("240 queries of 4 forked workers: wrong or failed", [], [text for texts in found for text in texts])
    assert len(executed) == len(set(executed)) == 246


def test_other_sql_than_was_sent_is_told(seen: Record) -> None:
    """It may be another query's answer; white space around the SQL may be trimmed."""
    with ScriptedServer() as server:
        server.script = lambda request: own_number(
            Request(request.method, request.target, request.headers, b'{"query": "SELECT 5"}', 0)
        )
        with RoeClient(Settings(base_url=server.url, api_key=Secret("roe-key-of-a-test"))) as client:
            trimmed = RunningQuery(client, " SELECT 5\n").start().wait(60).notices
            other = RunningQuery(client, "SELECT 6").start().wait(60).notices
    seen("an echo without the white space around it", [], trimmed)
    seen("an echo of other SQL", ["The server says that it runs other SQL than was sent: SELECT 5"], other)
