"""Tables from DataFrames and files: what is read, how it is sent, and what came of it.

``sources`` opens files; ``upload`` is the public function.
"""
