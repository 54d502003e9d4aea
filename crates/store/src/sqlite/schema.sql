-- Every time is in milliseconds since 1970, every span in milliseconds.
CREATE TABLE effect (
    id          INTEGER PRIMARY KEY,
    key         BLOB    NOT NULL UNIQUE,
    label       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    attempts    INTEGER NOT NULL,
    truth       TEXT,
    how         TEXT,
    reason      TEXT,
    detail      TEXT,
    tries       INTEGER,
    first       INTEGER NOT NULL,
    since       INTEGER,
    until       INTEGER,
    not_before  INTEGER,
    quiet       INTEGER,
    asked       INTEGER,
    due         INTEGER,
    nature      TEXT    NOT NULL,
    known_for   INTEGER,
    settle      INTEGER NOT NULL,
    keep_result INTEGER NOT NULL,
    keep_key    INTEGER NOT NULL,
    print       BLOB    NOT NULL,
    epoch       INTEGER NOT NULL,
    run_epoch   INTEGER NOT NULL,
    run_nonce   BLOB    NOT NULL,
    asker       BLOB,
    result      BLOB,
    sum         INTEGER NOT NULL
) STRICT;

-- What time alone will change, and when.
CREATE INDEX due ON effect (due) WHERE due IS NOT NULL;
-- What is not finished, for whoever lists it. What is finished is not worth an index entry at a random place for each.
CREATE INDEX live ON effect (state, label, key) WHERE truth IS NULL;

CREATE TABLE journal (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    born        INTEGER NOT NULL,
    latest      INTEGER NOT NULL,
    copied      INTEGER,
    forgot      INTEGER,
    executing   INTEGER NOT NULL,
    in_doubt    INTEGER NOT NULL,
    reconciling INTEGER NOT NULL,
    free        INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    tombstone   INTEGER NOT NULL,
    sum         INTEGER NOT NULL
) STRICT;
INSERT INTO journal VALUES (1, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0);

-- For people.
CREATE VIEW effects AS SELECT
    label,
    state,
    truth,
    how,
    attempts,
    strftime('%Y-%m-%dT%H:%M:%fZ', first / 1000.0, 'unixepoch') AS first,
    strftime('%Y-%m-%dT%H:%M:%fZ', since / 1000.0, 'unixepoch') AS since,
    strftime('%Y-%m-%dT%H:%M:%fZ', until / 1000.0, 'unixepoch') AS until,
    strftime('%Y-%m-%dT%H:%M:%fZ', not_before / 1000.0, 'unixepoch') AS not_before,
    strftime('%Y-%m-%dT%H:%M:%fZ', due / 1000.0, 'unixepoch') AS due,
    reason,
    detail,
    tries,
    nature,
    length(result) AS result_bytes,
    lower(hex(key)) AS key
FROM effect;
