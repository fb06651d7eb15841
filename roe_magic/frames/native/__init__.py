"""ClickHouse's Native format to stored Arrow.

A block of Native is a number of columns and of rows, then one column after the other: its name, its type's name, and
its values. Values of a fixed size lie side by side, so numpy takes them as they are; a String has its length before it.
A nested type is several such sequences, one after the other: an Array its offsets and then its elements, a Nullable its
nulls and then the values, a Tuple its elements. A LowCardinality has a prefix, which stands before all the sequences of
its column, and then a dictionary and the indices. A QBit is sorted by bits.

``byte_reader`` reads plain sequences, ``scalars`` and ``columns`` make Arrow arrays of them, and ``blocks`` makes
tables of those. Types whose values differ from row to row (JSON, Dynamic, Variant) and states of aggregates are not
read here: only the engine can convert them.
"""
