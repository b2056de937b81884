-- +goose NO TRANSACTION
-- +goose Up

-- Every statement may run twice: MySQL ends a transaction with each CREATE, so a
-- step that was broken off is made again from its beginning.
-- Names are compared byte for byte: utf8mb4_0900_bin does not pad with spaces.
CREATE TABLE IF NOT EXISTS users (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name          VARCHAR(64) NOT NULL UNIQUE,
    password_hash VARBINARY(255),
    created_at    BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The contract's rooms are numbered below 2^31.
CREATE TABLE IF NOT EXISTS rooms (
    id         INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARCHAR(64) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- One row a life of a server. Incarnations of all servers share one sequence,
-- so that an incarnation alone names the life in the tables below.
CREATE TABLE IF NOT EXISTS servers (
    incarnation BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id          VARCHAR(64) NOT NULL,
    lease_until BIGINT NOT NULL,
    state       ENUM ('live', 'dead') NOT NULL,
    KEY servers_by_id (id, state),
    KEY servers_by_lease (state, lease_until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The three tables below are written a thousand rows at a time, so they carry
-- no foreign keys: users and rooms are never deleted, and a dead server's row
-- goes only after its memberships.
CREATE TABLE IF NOT EXISTS memberships (
    room        INT NOT NULL,
    user        BIGINT NOT NULL,
    incarnation BIGINT NOT NULL,
    connection  BIGINT NOT NULL,
    PRIMARY KEY (room, user, incarnation, connection),
    KEY memberships_by_incarnation (incarnation)
) ENGINE = InnoDB;

-- How many memberships a user has in a room, kept with every change of them:
-- the first and the last one are decided here. A row has at least one.
CREATE TABLE IF NOT EXISTS presences (
    room        INT NOT NULL,
    user        BIGINT NOT NULL,
    connections INT NOT NULL,
    joined_at   BIGINT NOT NULL,
    PRIMARY KEY (room, user)
) ENGINE = InnoDB;

-- How many presences a room has, and how often that was written. Its row is the
-- lock under which all of a room's memberships change.
CREATE TABLE IF NOT EXISTS room_counts (
    room    INT NOT NULL PRIMARY KEY,
    users   INT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;
