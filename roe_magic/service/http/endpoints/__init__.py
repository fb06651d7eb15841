"""The endpoints of the API, one module per group; each is a function from a request to a response."""
