"""The endpoints of worksheets and of the caller, with the real engine behind them."""

from __future__ import annotations

from roe_magic.contract import codec, models
from tests.support.services import Api, wait_for

SLOW = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))"


def test_the_current_user_is_returned(api: Api) -> None:
    """The current user is a full User."""
    assert codec.parse(models.User, api.http.get("/v1/users/current_user/").json()).is_active


def test_worksheets_are_made_and_listed(api: Api) -> None:
    """A new worksheet is in the list, with its own queries."""
    sent = api.http.post("/v1/worksheets/", data={"name": "Äpfel"})
    assert (sent.status_code, sent.json()["name"]) == (201, "Äpfel")
    assert sent.json() in api.http.get("/v1/worksheets/").json()
    first, second = (api.submit(f"SELECT {n}", worksheet_id=sent.json()["id"]) for n in (1, 2))
    path = f"/v1/worksheets/{sent.json()['id']}/queries/"
    assert [one["id"] for one in api.http.get(path).json()] == [second["id"], first["id"]]
    assert len(api.http.get(path, params={"limit": 1}).json()) == 1


def test_a_running_query_is_listed_as_it_is_now(api: Api) -> None:
    """The list has the present status of running queries."""
    query = api.submit(SLOW, wait=0)
    wait_for(lambda: api.status(query["id"])["status"] == "STARTED")
    listed = api.http.get(f"/v1/worksheets/{query['worksheet']['id']}/queries/").json()
    assert next(one for one in listed if one["id"] == query["id"])["query_task_status"] == "STARTED"
    api.http.post(f"/v1/database/query/{query['id']}/cancel/")
