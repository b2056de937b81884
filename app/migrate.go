package app

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/breakwater-chat/breakwater/migrations"
)

// migrateFlags are the flags of migrate.
type migrateFlags struct {
	Up struct {
		dataFlags `embed:""`
	} `cmd:"" help:"Bring the databases to this version's schema."`
	Status struct {
		dataFlags `embed:""`
	} `cmd:"" help:"Show which step of the schema each database has."`
}

func migrate(command string, f migrateFlags, out io.Writer) error {
	ctx := context.Background()
	if strings.HasSuffix(command, "up") {
		dbs, err := openDatabases(ctx, f.Up.Data, databaseDeps{})
		if err != nil {
			return err
		}
		if err := dbs.close(); err != nil {
			return err
		}
		return showStatus(ctx, f.Up.Data, out)
	}
	return showStatus(ctx, f.Status.Data, out)
}

// showStatus prints a line a database.
func showStatus(ctx context.Context, data string, out io.Writer) error {
	for _, db := range []struct {
		file   string
		schema migrations.Schema
	}{{storeFile, migrations.SQLiteStore}, {messagesFile, migrations.SQLiteMessages}} {
		path := filepath.Join(data, db.file)
		has, newest, err := migrations.StatusSQLite(ctx, path, db.schema)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", path, err)
		}
		state := "up to date"
		switch {
		case has < newest:
			state = "behind"
		case has > newest:
			state = "ahead of this program"
		}
		if _, err := fmt.Fprintf(out, "%s\tstep %d of %d\t%s\n", path, has, newest, state); err != nil {
			return err
		}
	}
	return nil
}
