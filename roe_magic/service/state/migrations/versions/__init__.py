"""The steps that bring the service's state on disk to the present schema."""
