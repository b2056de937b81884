-- +goose NO TRANSACTION
-- +goose Up

-- The durable log of all rooms. Rows are never deleted, so arrival grows with
-- every commit and is the order of search results.
CREATE TABLE messages (
    arrival   INTEGER PRIMARY KEY,
    room      INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        TEXT    NOT NULL,
    user      TEXT    NOT NULL,
    text      TEXT    NOT NULL,
    timestamp INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_seq ON messages (room, seq);
CREATE INDEX messages_by_id ON messages (room, user, id);

-- The epoch in which a room's log began, given before its first message.
CREATE TABLE logs (
    room  INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;

-- The search index; its rowid is the message's arrival. It is fed with words
-- that are cut and folded already, joined by spaces: the ascii tokenizer keeps
-- every character above 127 as it is. scope holds one word for the room and one
-- for the user, so that a search in a room reads the room's entries only.
CREATE VIRTUAL TABLE word_index USING fts5 (
    scope, words,
    content = '', columnsize = 0, tokenize = 'ascii'
);

-- Everything up to and including this arrival is in the search index.
CREATE TABLE indexed (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    arrival INTEGER NOT NULL
) STRICT;
INSERT INTO indexed (only, arrival) VALUES (1, 0);
