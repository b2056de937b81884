-- +goose NO TRANSACTION
-- +goose Up

-- Names are compared byte for byte (BINARY is SQLite's default collation).
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL UNIQUE,
    password_hash BLOB,
    created_at    INTEGER NOT NULL
) STRICT;

-- AUTOINCREMENT gives ids in order of creation and none twice.
CREATE TABLE rooms (
    id         INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id <= 2147483647),
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- One row a life of a server. Incarnations of all servers share one sequence,
-- so that an incarnation alone names the life in the tables below.
CREATE TABLE servers (
    incarnation INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL,
    lease_until INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('live', 'dead'))
) STRICT;
CREATE INDEX servers_by_id ON servers (id, state);
CREATE INDEX servers_by_lease ON servers (state, lease_until);

-- The three tables below are written a thousand rows at a time, so they carry
-- no foreign keys: users and rooms are never deleted, and a dead server's row
-- goes only after its memberships.
CREATE TABLE memberships (
    room        INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    connection  INTEGER NOT NULL,
    PRIMARY KEY (room, user, incarnation, connection)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_incarnation ON memberships (incarnation);

-- How many memberships a user has in a room, kept with every change of them:
-- the first and the last one are decided here. A row has at least one.
CREATE TABLE presences (
    room        INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    connections INTEGER NOT NULL CHECK (connections > 0),
    joined_at   INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;

-- How many presences a room has, and how often that was written.
CREATE TABLE room_counts (
    room    INTEGER PRIMARY KEY,
    users   INTEGER NOT NULL CHECK (users >= 0),
    version INTEGER NOT NULL
) STRICT;
