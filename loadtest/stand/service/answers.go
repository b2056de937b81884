package service

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
)

const (
	// oneTry bounds one question to a service: a paused one takes it and says nothing.
	oneTry = 2 * time.Second
	// between is the rest between two questions.
	between = 50 * time.Millisecond
)

// Await asks until the service answers, the context ends or gone says that it
// never will. The error says what the last answer was.
func (k Kind) Await(ctx context.Context, url string, gone func(context.Context) error) error {
	var reason error
	for {
		try, cancel := context.WithTimeout(ctx, oneTry)
		err := k.Answers(try, url)
		cancel()
		if err == nil {
			return nil
		}
		if reason == nil || ctx.Err() == nil {
			reason = err
		}
		if gone := gone(ctx); gone != nil {
			return gone
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", k.Name, reason)
		case <-time.After(between):
		}
	}
}

// redisAnswers fails while Redis still reads its append-only file.
func redisAnswers(ctx context.Context, url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	options.MaxRetries, options.DialerRetries, options.ContextTimeoutEnabled = -1, 1, true
	client := redis.NewClient(options)
	defer client.Close()
	return client.Ping(ctx).Err()
}

func mysqlAnswers(ctx context.Context, dsn string) error {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	db, err := OpenMySQL(config)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

// OpenMySQL opens a pool, the caller's to close, that says nothing about connections that fail: they
// are expected to until the server is there.
func OpenMySQL(config *mysql.Config) (*sql.DB, error) {
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// elasticsearchAnswers fails until every index that was there can be searched.
func elasticsearchAnswers(ctx context.Context, url string) error {
	health := strings.TrimSuffix(url, "/") + "/_cluster/health?wait_for_status=yellow&timeout=1s"
	if err := ask(ctx, http.MethodGet, health, nil, nil); err != nil {
		return fmt.Errorf("reading its health: %w", err)
	}
	return nil
}
