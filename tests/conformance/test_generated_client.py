"""Clients that a generator wrote, not we: one from the published contract, one from the service's own description."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.services import Service, wait_for

pytestmark = pytest.mark.conformance

CONTRACT = Path(__file__).parents[1] / "wire" / "roe-database-query.openapi.yaml"
ENDED = {"SUCCESS", "FAILURE", "REVOKED"}


class Generated:
    """A generated package, and a client of it for the service."""

    def __init__(self, name: str, service: Service) -> None:
        self._name = name
        self.organization = UUID(service.organization_id)
        self.types = self.module("types")
        self.models = self.module("models")
        self.client = self.module("client").AuthenticatedClient(
            base_url=service.url, token=service.api_key, timeout=60, raise_on_unexpected_status=True
        )

    def module(self, path: str) -> ModuleType:
        return importlib.import_module(f"{self._name}.{path}")

    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call one operation, and give what the generated code parsed."""
        return self.module(f"api.{operation}").sync(*arguments, client=self.client, **options)

    def submit(self, sql: str, **options: Any) -> Any:
        body = self.models.WorksheetQueryCreateRequest(query=sql)
        options.setdefault("organization_id", self.organization)
        return self.call("v1.v1_database_query_async_create", body=body, **options)

    def watch(self, query_id: UUID) -> Any:
        """Ask for the status until it is terminal."""

        def ended() -> Any:
            status = self.call("v1.v1_database_query_status_retrieve", query_id, organization_id=self.organization)
            return status if status.status in ENDED else None

        return wait_for(ended)


def generate(description: Path, package: Path) -> None:
    """Run the generator; what it cannot turn into code is a warning, and a warning is a failure."""
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    command += ["--path", str(description), "--output-path", str(package)]
    # The generator tidies up with ruff, which it looks for on the path; ours lies beside this Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("generated")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def contract(folder: Path, service: Service) -> Iterator[Generated]:
    """Generate a client from the published contract."""
    generate(CONTRACT, folder / "client_of_the_contract")
    generated = Generated("client_of_the_contract", service)
    with generated.client:
        yield generated


@pytest.fixture(scope="module")
def described(folder: Path, service: Service) -> Iterator[Generated]:
    """Generate a client from what the service says of itself."""
    with service.client() as http:
        (folder / "openapi.json").write_bytes(http.get("/openapi.json").content)
    generate(folder / "openapi.json", folder / "client_of_the_service")
    generated = Generated("client_of_the_service", service)
    with generated.client:
        yield generated


def test_the_contracts_client_submits_and_watches_to_the_end(contract: Generated) -> None:
    """The generated models read every field of both answers, and nothing in them is unknown to the contract."""
    query = contract.submit("SELECT count() FROM numbers(1000)")
    assert isinstance(query, contract.models.WorksheetQuery)
    assert query.query == "SELECT count() FROM numbers(1000)"
    assert (query.organization.id, query.finished_at, query.error) == (contract.organization, None, None)
    assert query.worksheet.organization == query.organization
    assert query.additional_properties == {}
    status = contract.watch(query.id)
    assert (status.worksheet_query_id, status.status, status.error) == (query.id, "SUCCESS", None)
    assert query.created_at == status.created_at < status.finished_at


def test_the_contracts_client_hears_of_a_failure(contract: Generated) -> None:
    """What is wrong with the SQL comes with the status, as the contract has it."""
    status = contract.watch(contract.submit("SELECT nothing FROM nowhere").id)
    assert status.status == "FAILURE"
    assert "nowhere" in status.error


def test_the_contracts_client_reads_the_error_it_expects(contract: Generated) -> None:
    """A request without worksheet and organisation is the contract's 400 with its ErrorResponse."""
    answer = contract.submit("SELECT 1", organization_id=contract.types.UNSET)
    assert isinstance(answer, contract.models.ErrorResponse)
    assert "worksheet_id" in answer.message


def test_the_contracts_client_gets_404_for_what_is_not_there(contract: Generated) -> None:
    """An unknown query is the contract's 404, which has no model."""
    operation = contract.module("api.v1.v1_database_query_status_retrieve")
    assert operation.sync_detailed(uuid4(), client=contract.client).status_code == 404


def test_the_services_client_reads_the_rows(described: Generated) -> None:
    """The client made of the service's description reads the result, one item per statement."""
    query = described.submit("SELECT number AS n, toString(number) AS s FROM numbers(3); SELECT 1 AS one")
    assert described.watch(query.id).status == "SUCCESS"
    result = described.call("v1.v1_database_query_result_retrieve", query.id)
    assert [one.result_rows for one in result.results] == [[[0, "0"], [1, "1"], [2, "2"]], [[1]]]
    assert result.results[0].column_types == ["UInt64", "String"]
    assert result.results[0].summary.read_rows == 3


def test_the_services_client_runs_a_query_in_one_call(described: Generated) -> None:
    """The synchronous query answers the list of results, and a failed one the message."""
    body = described.models.WorksheetQueryCreateRequest
    (result,) = described.call("v1.v1_database_query_create", body=body(query="SELECT 'x' AS x"))
    assert (result.column_names, result.result_rows) == (["x"], [["x"]])
    failed = described.call("v1.v1_database_query_create", body=body(query="selec"))
    assert "Syntax error" in failed.message


def test_the_services_client_cancels(described: Generated) -> None:
    """A query that would run for minutes is REVOKED when the call returns."""
    query = described.submit("SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sin(number))")
    assert described.call("local.v1_database_query_cancel", query.id).status == "REVOKED"


def test_the_services_client_keeps_tables(described: Generated) -> None:
    """A table is uploaded, described, previewed and deleted through generated code."""
    file = described.types.File(payload=BytesIO(b"name,age\nAnn,31\n"), file_name="people.csv", mime_type="text/csv")
    body = described.models.TableUploadRequest(table_name="generated", file=file)
    upload = described.call("tables.upload_table", body=body)
    assert (upload.table_name, upload.organization_id) == ("generated", described.organization)
    description = described.call("tables.tables_describe_retrieve", "generated")
    assert ([column.name for column in description.columns], description.row_count) == (["name", "age"], 1)
    preview = described.call("tables.tables_preview_retrieve", "generated")
    assert [row.to_dict() for row in preview.rows] == [{"name": "Ann", "age": 31}]
    assert "generated" in [table.name for table in described.call("tables.tables_list").results]
    described.call("tables.tables_destroy", "generated")
    gone = described.call("tables.tables_describe_retrieve", "generated")
    assert gone.detail == "Table not found."


def test_the_services_client_finds_a_query_again_in_its_worksheet(described: Generated) -> None:
    """A new worksheet is listed, and holds the query that was submitted to it."""
    body = described.models.WorksheetCreateRequest(name="generated")
    worksheet = described.call("worksheets.v1_worksheets_create", body=body)
    assert worksheet in described.call("worksheets.v1_worksheets_list")
    query = described.submit("SELECT 1", worksheet_id=str(worksheet.id))
    described.watch(query.id)
    (listed,) = described.call("worksheets.v1_worksheets_queries_list", worksheet.id)
    assert (listed.id, listed.query_task_status) == (query.id, "SUCCESS")
    assert described.call("users.users_current_user_retrieve").id == query.creator.id
