package services_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/services"
)

// child makes this program a process that starts a Redis, says how that went and
// ends without closing it.
const child = "SERVICES_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	s, err := services.StartRedis(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL)
}

func runChild(t *testing.T, environment ...string) (said string, err error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(append(c.Environ(), child+"=yes", "BREAKWATER_TEST_REDIS="), environment...)
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
}

// subject is one service with a way to write one value into it and to read it.
type subject struct {
	name, variable string
	start          func(context.Context) (*services.Service, error)
	write          func(ctx context.Context, url string) error
	read           func(ctx context.Context, url string) (string, error)
}

const value = "still there"

var subjects = []subject{
	{"Redis", "BREAKWATER_TEST_REDIS", services.StartRedis, func(ctx context.Context, url string) error {
		return withRedis(url, func(c *redis.Client) error { return c.Set(ctx, "key", value, 0).Err() })
	}, func(ctx context.Context, url string) (got string, err error) {
		err = withRedis(url, func(c *redis.Client) error {
			got, err = c.Get(ctx, "key").Result()
			return err
		})
		return got, err
	}},
	{"MySQL", "BREAKWATER_TEST_MYSQL", services.StartMySQL, func(ctx context.Context, url string) error {
		return withMySQL(url, func(db *sql.DB) error {
			if _, err := db.ExecContext(ctx, "CREATE TABLE t (v TEXT)"); err != nil {
				return err
			}
			_, err := db.ExecContext(ctx, "INSERT INTO t VALUES (?)", value)
			return err
		})
	}, func(ctx context.Context, url string) (got string, err error) {
		err = withMySQL(url, func(db *sql.DB) error { return db.QueryRowContext(ctx, "SELECT v FROM t").Scan(&got) })
		return got, err
	}},
	{"Elasticsearch", "BREAKWATER_TEST_ELASTICSEARCH", services.StartElasticsearch, func(ctx context.Context, url string) error {
		_, err := ask(ctx, http.MethodPut, url+"/i/_doc/1", fmt.Sprintf(`{"v":%q}`, value))
		return err
	}, func(ctx context.Context, url string) (string, error) {
		answer, err := ask(ctx, http.MethodGet, url+"/i/_doc/1", "")
		if err == nil && strings.Contains(answer, value) {
			return value, nil
		}
		return answer, err
	}},
}

func withRedis(url string, do func(*redis.Client) error) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	options.ContextTimeoutEnabled, options.DialerRetries, options.MaxRetries = true, 1, -1
	c := redis.NewClient(options)
	return errors.Join(do(c), c.Close())
}

func withMySQL(url string, do func(*sql.DB) error) error {
	db, err := sql.Open("mysql", url)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

func ask(ctx context.Context, method, url, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Close = true
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return string(answer), err
}

func start(t *testing.T, sub subject) *services.Service {
	t.Helper()
	began := time.Now()
	s, err := sub.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started %s in %v", sub.name, time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A service that was killed comes back on its port with what it had; one that is
// paused hangs until it goes on.
func TestLives(t *testing.T) {
	for _, sub := range subjects {
		t.Run(sub.name, func(t *testing.T) {
			t.Setenv(sub.variable, "")
			s := start(t, sub)
			url := s.URL
			wantRead := func(when string) {
				t.Helper()
				if got, err := sub.read(t.Context(), s.URL); got != value || err != nil {
					t.Fatalf("%s: read %q, %v; want %q", when, got, err, value)
				}
			}
			wantNoAnswer := func(when string) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				if got, err := sub.read(ctx, s.URL); err == nil {
					t.Fatalf("%s: read %q, want an error", when, got)
				}
			}
			if err := sub.write(t.Context(), s.URL); err != nil {
				t.Fatal(err)
			}
			for life := range 2 {
				if err := s.Kill(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantNoAnswer("killed")
				if err := s.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantRead(fmt.Sprintf("started again, life %d", life+2))
			}
			if err := s.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantNoAnswer("paused")
			if err := s.Unpause(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantRead("gone on")
			if s.URL != url {
				t.Errorf("URL: got %s, want %s as before", s.URL, url)
			}
		})
	}
}

// What a process that is no more has left is removed, what a living one has stays.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Setenv("BREAKWATER_TEST_REDIS", "")
	redis := subjects[0]
	left, err := runChild(t)
	if err != nil {
		t.Fatalf("%v: %s", err, left)
	}
	if err := redis.write(t.Context(), left); err != nil {
		t.Fatalf("the child's Redis: %v", err)
	}
	first := start(t, redis)
	if err := redis.write(t.Context(), left); err == nil {
		t.Error("the Redis of a process that is no more still answers")
	}
	start(t, redis)
	if err := redis.write(t.Context(), first.URL); err != nil {
		t.Errorf("the first Redis of a living process: %v", err)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	s := start(t, subjects[1])
	var gone string
	t.Run("one test", func(t *testing.T) {
		gone = s.Database(t)
		other := s.Database(t)
		for _, dsn := range []string{gone, other} {
			// Each makes the same table.
			if err := subjects[1].write(t.Context(), dsn); err != nil {
				t.Error(err)
			}
		}
	})
	if got, err := subjects[1].read(t.Context(), gone); err == nil {
		t.Errorf("after the test: read %q, want the database dropped", got)
	}
}

// A given service is used, and left alone by what hurts.
func TestGivenAddress(t *testing.T) {
	t.Setenv("BREAKWATER_TEST_REDIS", "")
	own := start(t, subjects[0])
	t.Setenv("BREAKWATER_TEST_REDIS", own.URL)
	given := start(t, subjects[0])
	if given.URL != own.URL {
		t.Errorf("URL: got %s, want %s as given", given.URL, own.URL)
	}
	for name, hurt := range map[string]func(context.Context) error{
		"kill": given.Kill, "start": given.Start, "pause": given.Pause, "unpause": given.Unpause,
	} {
		if err := hurt(t.Context()); err == nil || !strings.Contains(err.Error(), "BREAKWATER_TEST_REDIS") {
			t.Errorf("%s: got %v, want an error that names the variable", name, err)
		}
	}
	if err := given.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := subjects[0].write(t.Context(), own.URL); err != nil {
		t.Errorf("after close: %v", err)
	}
}

// Whoever cannot have a service is told in one line what to do.
func TestWhatIsMissingIsSaid(t *testing.T) {
	for _, test := range []struct {
		name, setting, want string
	}{
		{"no Docker", "DOCKER_HOST=unix:///nowhere/docker.sock", "make images"},
		{"no service at the given address", "BREAKWATER_TEST_REDIS=redis://127.0.0.1:1/0", "BREAKWATER_TEST_REDIS"},
		{"a given address that is none", "BREAKWATER_TEST_REDIS=nonsense", "BREAKWATER_TEST_REDIS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			said, err := runChild(t, test.setting)
			if err == nil || !strings.Contains(said, test.want) || strings.Contains(said, "\n") {
				t.Errorf("got %v, %q; want an error of one line with %q", err, said, test.want)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v, want at most 20 s", took)
			}
			t.Log(said)
		})
	}
}
