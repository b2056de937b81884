package sqlite

import (
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// driver is the name under which modernc.org/sqlite registers itself.
const driver = "sqlite"

// source is the address of a database for the driver: a URI, so that no
// character of the path is taken for an option.
func source(path string, cacheKiB int, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(10000)", // first: the ones below may have to wait
		"synchronous(FULL)",
		"foreign_keys(1)",
		"mmap_size(0)", // an I/O error is then an error, not a signal
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
		"journal_size_limit(67108864)", // a WAL that a long read let grow shrinks to 64 MiB
		"temp_store(MEMORY)",
		// 16 MiB of log before it is copied into the database: a page that many
		// commits changed is copied once.
		"wal_autocheckpoint(4000)",
	}, pragmas...)}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// isBusy tells whether another connection's lock was in the way. The low byte is
// the primary code (https://www.sqlite.org/rescode.html).
func isBusy(err error) bool { return code(err)&0xff == sqlite3.SQLITE_BUSY }

// IsUnique tells whether a row was refused because its key exists.
func IsUnique(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_CONSTRAINT_UNIQUE || c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY ||
		c == sqlite3.SQLITE_CONSTRAINT_ROWID
}
