-- Times are in milliseconds since 1970.
CREATE TABLE cell (
    kind    TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    value   BLOB    NOT NULL,
    version INTEGER NOT NULL,
    ends    INTEGER NOT NULL,
    PRIMARY KEY (kind, name, id)
) STRICT, WITHOUT ROWID;

-- What may be forgotten, and when.
CREATE INDEX ends ON cell (ends);

-- The latest time anybody has acted on, in microseconds, and the last version that was given.
CREATE TABLE latest (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    time    INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
INSERT INTO latest VALUES (1, 0, 0);
