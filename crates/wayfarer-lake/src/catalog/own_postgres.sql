-- What is Wayfarer's own. DuckDB lets it be, and it is written in the same transactions. As own_sqlite.sql, and besides what
-- several nodes have to know of each other.

-- version: of these tables
CREATE TABLE wayfarer_meta("key" TEXT PRIMARY KEY, "value" TEXT NOT NULL);
-- Every event of the writer with a seq below next_seq is in a data file. A writer is a node.
CREATE TABLE wayfarer_writer(
    writer BIGINT PRIMARY KEY,
    next_seq BIGINT NOT NULL,
    -- The oldest snapshot that the node still reads, and when it said so.
    reads BIGINT,
    seen TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- How often the others asked it to seal all it has, and how many of these it has answered.
    asked BIGINT NOT NULL DEFAULT 0,
    answered BIGINT NOT NULL DEFAULT 0,
    -- Somebody was erased while it was away: the rules apply to what is still in its log.
    away BOOLEAN NOT NULL DEFAULT FALSE
);
-- Until when what an erased person did is declined; a person is a fingerprint of 16 bytes.
CREATE TABLE wayfarer_erased(print BYTEA PRIMARY KEY, until BIGINT NOT NULL);
-- CRC-32C of a data file.
CREATE TABLE wayfarer_file(data_file_id BIGINT PRIMARY KEY, crc32c BIGINT NOT NULL);
-- Where the rows of each site lie in a data file. Visitors are 64 bits without a sign, kept as the same bits with one.
CREATE TABLE wayfarer_span(
    data_file_id BIGINT NOT NULL,
    first_row BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    site TEXT NOT NULL,
    least_visitor BIGINT NOT NULL,
    greatest_visitor BIGINT NOT NULL,
    least_ts BIGINT NOT NULL,
    greatest_ts BIGINT NOT NULL,
    PRIMARY KEY (data_file_id, first_row)
);
-- Files of fingerprints of ids: which there are, and until when their newest id was taken.
CREATE TABLE wayfarer_id_file(
    name TEXT PRIMARY KEY,
    ledger BOOLEAN NOT NULL,
    ids BIGINT NOT NULL,
    newest BIGINT NOT NULL
);
