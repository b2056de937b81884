package app

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/breakwater-chat/breakwater/history/elastic"
	"github.com/breakwater-chat/breakwater/migrations"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// migrateFlags are the flags of migrate.
type migrateFlags struct {
	Up struct {
		deploymentFlags `embed:""`
	} `cmd:"" help:"Bring the databases to this version's schema."`
	Status struct {
		deploymentFlags `embed:""`
	} `cmd:"" help:"Show which step of the schema each database has."`
}

func migrate(command string, f migrateFlags, out io.Writer) error {
	ctx := context.Background()
	if !strings.HasSuffix(command, "up") {
		return showStatus(ctx, f.Status.deploymentFlags, out)
	}
	up := f.Up.deploymentFlags
	if err := migrateUp(ctx, up); err != nil {
		return err
	}
	return showStatus(ctx, up, out)
}

func migrateUp(ctx context.Context, f deploymentFlags) error {
	if f.clustered() {
		return migrateCluster(ctx, f)
	}
	dbs, err := openDatabases(ctx, f.Data, databaseDeps{}) // which migrates them
	if err != nil {
		return err
	}
	return dbs.close()
}

// schemaOf is a database whose schema has a version.
type schemaOf struct {
	name string
	// status returns which step the database has, and the newest known.
	status func(context.Context) (has, newest int64, err error)
}

func schemas(f deploymentFlags) []schemaOf {
	if f.clustered() {
		return []schemaOf{
			{"mysql", func(ctx context.Context) (int64, int64, error) {
				return mysqlstore.Status(ctx, mysqlstore.Config{DSN: f.MySQL})
			}},
			{"elasticsearch", func(ctx context.Context) (int64, int64, error) {
				return elastic.Status(ctx, elastic.Config{URLs: f.Elasticsearch})
			}},
		}
	}
	file := func(name string, schema migrations.Schema) schemaOf {
		path := filepath.Join(f.Data, name)
		return schemaOf{path, func(ctx context.Context) (int64, int64, error) {
			return migrations.StatusSQLite(ctx, path, schema)
		}}
	}
	return []schemaOf{file(storeFile, migrations.SQLiteStore), file(messagesFile, migrations.SQLiteMessages)}
}

// showStatus prints a line a database.
func showStatus(ctx context.Context, f deploymentFlags, out io.Writer) error {
	for _, db := range schemas(f) {
		has, newest, err := db.status(ctx)
		if err != nil {
			err = fmt.Errorf("looking at %s: %w", db.name, err)
			if f.clustered() {
				return &usageError{"--" + db.name, err}
			}
			return err
		}
		state := "up to date"
		switch {
		case has < newest:
			state = "behind"
		case has > newest:
			state = "ahead of this program"
		}
		if _, err := fmt.Fprintf(out, "%s\tstep %d of %d\t%s\n", db.name, has, newest, state); err != nil {
			return err
		}
	}
	return nil
}
