// Package migrations holds the schemas of every database of the project, each
// as an ordered list of forward steps, embedded in the binary. A step that was
// released is never edited; the next one follows it.
package migrations

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// ErrNewerSchema says that a database was written by a newer version of the
// program, whose steps this one does not know. Nothing was changed.
var ErrNewerSchema = errors.New("the database has a newer schema than this version of breakwater knows")

//go:embed sqlite mysql
var files embed.FS

// Schema names one list of steps.
type Schema string

// The schemas of the embedded deployment, the store's database and the message
// log's, and that of a cluster's store.
const (
	SQLiteStore    Schema = "sqlite/store"
	SQLiteMessages Schema = "sqlite/messages"
	MySQL          Schema = "mysql"
)

// steps returns the schema's SQL files.
func (s Schema) steps() (fs.FS, error) {
	steps, err := fs.Sub(files, string(s))
	if err != nil {
		return nil, fmt.Errorf("find the steps of schema %s: %w", s, err)
	}
	return steps, nil
}
