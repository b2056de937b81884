-- +goose NO TRANSACTION
-- +goose Up

-- From here on a dead server's lease_until is when it was declared dead.

-- The last batch of memberships of each life of a server: its number, and which
-- of its changes began or ended a presence, a bit each.
CREATE TABLE batches (
    incarnation INTEGER PRIMARY KEY,
    number      INTEGER NOT NULL,
    changed     BLOB    NOT NULL
) STRICT;

-- Presences that ended with a server's life and that nobody has told the room yet.
-- Whoever tells one has it until claimed_until. AUTOINCREMENT gives no id twice.
CREATE TABLE departures (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    room          INTEGER NOT NULL,
    user          INTEGER NOT NULL,
    users         INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;
