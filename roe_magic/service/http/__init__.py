"""HTTP in and out: routes, requests, responses. No SQL, no engine."""
