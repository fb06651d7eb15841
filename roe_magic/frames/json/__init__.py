"""JSON rows to canonical Arrow, block by block while they arrive.

The steps, each a module:

1. ``stream_reader`` reads the response's chunks and steps through the JSON around the rows.
2. ``scanner`` finds where each row ends in the bytes, with numpy and without decoding, so that a block of whole rows
   can be cut off.
3. ``table_builder`` converts each block to one array per column. A long block of scalar columns goes to ``fast_path``,
   which reads it with Arrow's CSV reader. Every other block is decoded by ``row_decoder`` (msgspec, a thousand rows at
   a time), and ``rows`` converts the decoded rows column by column: nested types itself, scalar ones with ``scalars``.
4. ``table_builder`` joins the arrays of all blocks to one table.
"""
