"""The API's schemas as frozen dataclasses (``models``), and their conversion from and to JSON (``codec``).

The client and the service both import this package; it imports neither.
"""
