"""The life of a query in the service, and the interfaces of what carries it out. No HTTP, no SQL, no chDB."""
