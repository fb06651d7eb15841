"""Tables from DataFrames and files: what is read, how it is sent, and what came of it.

``upload`` is the public function. ``sources`` opens files, ``uploads.arrow`` reads DataFrames, ``csv_out`` writes both
for servers that take CSV alone, and ``replacement`` replaces a table where the server cannot swap two.
"""
