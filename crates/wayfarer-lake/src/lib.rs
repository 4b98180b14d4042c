//! Where events are kept: write-ahead log, hot rows, Parquet files in a DuckLake catalog.
