package services_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/services"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
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
