"""Files of a table: delimited text, JSON lines and parquet, plain or compressed, each row accounted for."""
