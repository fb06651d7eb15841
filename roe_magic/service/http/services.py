"""How an endpoint gets the services and the uploaded files of its application."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from roe_magic.service.container import Services
from roe_magic.service.http.upload_folder import UploadFolder


def services(request: Request) -> Services:
    """Return the services of the application that handles a request."""
    return cast("Services", request.app.state.services)


def upload_folder(request: Request) -> UploadFolder:
    """Return the folder of uploaded files of the application that handles a request."""
    return cast("UploadFolder", request.app.state.upload_folder)
