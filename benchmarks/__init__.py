"""Side by side with what a user would pick instead: ``python -m benchmarks`` prints one table."""
