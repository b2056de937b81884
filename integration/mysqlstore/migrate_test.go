package mysqlstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/migrations"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

func TestHostsThatMigrateAtOnceMigrateOnce(t *testing.T) {
	cfg := mysqlstore.Config{DSN: server.Database(t)}
	var hosts errgroup.Group
	for range 6 {
		hosts.Go(func() error { return mysqlstore.Migrate(t.Context(), cfg) })
	}
	if err := hosts.Wait(); err != nil {
		t.Fatal(err)
	}
	db := raw(t, cfg.DSN)
	has, newest, err := mysqlstore.Status(t.Context(), cfg)
	if err != nil || has != newest {
		t.Errorf("got step %d of %d and error %v", has, newest, err)
	}
	if rows := number(t, db, "SELECT count(*) FROM goose_db_version WHERE version_id > 0"); rows != int(newest) {
		t.Errorf("steps made: got %d, want %d", rows, newest)
	}
}

// Another host's step takes longer than anything else may.
func TestMigrateWaitsForAnotherHost(t *testing.T) {
	cfg := mysqlstore.Config{DSN: server.Database(t)}
	db := raw(t, cfg.DSN)
	other, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	const lock = "CONCAT('breakwater migrate ', LEFT(SHA2(DATABASE(), 256), 32))"
	execute(t, other, "DO GET_LOCK("+lock+", 0)")
	var host errgroup.Group
	host.Go(func() error { return mysqlstore.Migrate(t.Context(), cfg) })
	<-time.After(6 * time.Second)
	if has, _, err := mysqlstore.Status(t.Context(), cfg); err != nil || has != 0 {
		t.Errorf("while another host migrates: got step %d and error %v, want 0", has, err)
	}
	execute(t, other, "DO RELEASE_LOCK("+lock+")")
	if err := host.Wait(); err != nil {
		t.Error(err)
	}
}

// A host dies in the middle of a step, of which MySQL keeps what was done.
func TestAStepThatWasBrokenOffIsMadeAgain(t *testing.T) {
	cfg := mysqlstore.Config{DSN: database(t)}
	db := raw(t, cfg.DSN)
	execute(t, db, "DELETE FROM goose_db_version WHERE version_id > 0")
	execute(t, db, "DROP TABLE room_counts")
	if err := mysqlstore.Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	number(t, db, "SELECT count(*) FROM room_counts")
}

func TestSchemasOfOtherVersions(t *testing.T) {
	for _, test := range []struct {
		name, change string
		open, up     error
	}{
		{"none", "DROP TABLE goose_db_version", migrations.ErrOlderSchema, nil},
		{"older", "DELETE FROM goose_db_version WHERE version_id > 0", migrations.ErrOlderSchema, nil},
		{"newer", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)", migrations.ErrNewerSchema, migrations.ErrNewerSchema},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := mysqlstore.Config{DSN: database(t)}
			execute(t, raw(t, cfg.DSN), test.change)
			if _, err := mysqlstore.Open(t.Context(), cfg); !errors.Is(err, test.open) {
				t.Errorf("open: got error %v, want %v", err, test.open)
			}
			if err := mysqlstore.Migrate(t.Context(), cfg); !errors.Is(err, test.up) {
				t.Errorf("migrate: got error %v, want %v", err, test.up)
			}
		})
	}
}

func TestStatusChangesNothing(t *testing.T) {
	cfg := mysqlstore.Config{DSN: server.Database(t)}
	if has, newest, err := mysqlstore.Status(t.Context(), cfg); err != nil || has != 0 || newest < 1 {
		t.Errorf("got step %d of %d and error %v, want 0 of 1 or more", has, newest, err)
	}
	if n := number(t, raw(t, cfg.DSN), "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE()"); n != 0 {
		t.Errorf("got %d tables after looking, want none", n)
	}
}

func TestAddressesThatLeadNowhere(t *testing.T) {
	for _, dsn := range []string{
		"", "nonsense", "mysql://u:hunter2@127.0.0.1/db", "u:hunter2@tcp(127.0.0.1:1)/", "u:hunter2@tcp(127.0.0.1:1)/db",
		"u:hunter2@tcp(127.0.0.1:1)/db?timeout=soon", "u:hunter2@tcp(" + strings.TrimPrefix(server.URL, "root:secret@tcp("),
	} {
		start := time.Now()
		_, err := mysqlstore.Open(t.Context(), mysqlstore.Config{DSN: dsn})
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got error %v, want one line without the password", dsn, err)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("%q: took %v", dsn, took)
		}
	}
}

// What an address says of the session is not what the store relies on.
func TestSettingsOfTheAddressChangeNothing(t *testing.T) {
	dsn := database(t) + "?charset=latin1&multiStatements=true&parseTime=true&clientFoundRows=false&interpolateParams=false" +
		"&sql_mode=%27ANSI_QUOTES,NO_BACKSLASH_ESCAPES%27&time_zone=%27%2B05:00%27&transaction_isolation=%27SERIALIZABLE%27"
	s := open(t, mysqlstore.Config{DSN: dsn})
	const name bw.Name = `é'\"🙂`
	u, err := s.CreateUser(t.Context(), name, []byte("\x00\\'\xff"))
	if err != nil || time.Since(time.UnixMilli(int64(u.CreatedAt))).Abs() > time.Minute {
		t.Errorf("got %+v and error %v, want a user made now", u, err)
	}
	c, err := s.FindCredentials(t.Context(), name)
	if err != nil || c.User != u || string(c.PasswordHash) != "\x00\\'\xff" {
		t.Errorf("got %+v and error %v, want %+v", c, err, u)
	}
	id := register(t, s, "s")
	for range 2 { // the second finds the row as it is, perhaps
		if err := s.Renew(t.Context(), id, time.Hour); err != nil {
			t.Error(err)
		}
	}
}
