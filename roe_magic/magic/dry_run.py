"""What ``--dry-run`` prints: the request that would be sent, and where its settings come from."""

from __future__ import annotations

from roe_magic.client import RoeClient
from roe_magic.contract.models import WorksheetQueryCreateRequest


def dry_run(client: RoeClient, request: WorksheetQueryCreateRequest) -> str:
    """Return the request in lines of text; the API key is named by its source only."""
    settings = client.settings
    lines = {
        "POST": f"{settings.base_url}/v1/database/query/async/",
        "key": f"from {settings.source}",
        "organization_id": settings.organization_id or "the key's default",
        "worksheet_id": request.worksheet_id or "the default worksheet",
        "use_admin": request.use_admin,
    }
    return "\n".join([*(f"{name}: {value}" for name, value in lines.items()), "query:", request.query.strip("\n")])
