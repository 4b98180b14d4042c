-- What is Wayfarer's own. DuckDB lets it be, and it is written in the same transactions.

-- version: of these tables
CREATE TABLE wayfarer_meta("key" TEXT PRIMARY KEY, "value" TEXT NOT NULL) WITHOUT ROWID;
-- Every event of the writer with a seq below next_seq is in a data file.
CREATE TABLE wayfarer_writer(writer INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL);
-- Until when what an erased person did is declined; a person is a fingerprint of 16 bytes.
CREATE TABLE wayfarer_erased(print BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
-- CRC-32C of a data file.
CREATE TABLE wayfarer_file(data_file_id INTEGER PRIMARY KEY, crc32c INTEGER NOT NULL);
-- Where the rows of each site lie in a data file. Visitors are 64 bits without a sign, kept as the same bits with one.
CREATE TABLE wayfarer_span(
    data_file_id INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    site TEXT NOT NULL,
    least_visitor INTEGER NOT NULL,
    greatest_visitor INTEGER NOT NULL,
    least_ts INTEGER NOT NULL,
    greatest_ts INTEGER NOT NULL,
    PRIMARY KEY (data_file_id, first_row)
) WITHOUT ROWID;
-- Files of fingerprints of ids: which there are, and until when their newest id was taken.
CREATE TABLE wayfarer_id_file(
    name TEXT PRIMARY KEY,
    ledger INTEGER NOT NULL,
    ids INTEGER NOT NULL,
    newest INTEGER NOT NULL
) WITHOUT ROWID;
