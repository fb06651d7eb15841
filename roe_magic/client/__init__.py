"""The HTTP client: one request at a time, repeated where that is safe."""

from roe_magic.client.roe_client import RoeClient

__all__ = ["RoeClient"]
