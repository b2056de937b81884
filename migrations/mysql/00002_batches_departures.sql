-- +goose NO TRANSACTION
-- +goose Up

-- Every statement may run twice, as in the first step; a new column could not be
-- added twice, so what is new has tables of its own.
-- From here on a dead server's lease_until is when it was declared dead.

-- The last batch of memberships of each life of a server: its number, and which
-- of its changes began or ended a presence, a bit each.
CREATE TABLE IF NOT EXISTS batches (
    incarnation BIGINT NOT NULL PRIMARY KEY,
    number      BIGINT NOT NULL,
    changed     BLOB NOT NULL
) ENGINE = InnoDB;

-- Presences that ended with a server's life and that nobody has told the room yet.
-- Whoever tells one has it until claimed_until.
CREATE TABLE IF NOT EXISTS departures (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    room          INT NOT NULL,
    user          BIGINT NOT NULL,
    users         INT NOT NULL,
    version       BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;
