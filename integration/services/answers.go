package services

import (
	"context"
	"database/sql"
	"fmt"
	"io"
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

// await asks until the service answers, the context ends or gone says that it
// never will. The error says what the last answer was.
func (k kind) await(ctx context.Context, url string, gone func(context.Context) error) error {
	var reason error
	for {
		try, cancel := context.WithTimeout(ctx, oneTry)
		err := k.answers(try, url)
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
			return fmt.Errorf("%s does not answer: %w", k.name, reason)
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
	db, err := openMySQL(config)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

// openMySQL opens a pool that says nothing about connections that fail: they
// are expected to until the server is there.
func openMySQL(config *mysql.Config) (*sql.DB, error) {
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// elasticsearchAnswers fails until every index that was there can be searched.
func elasticsearchAnswers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/_cluster/health?wait_for_status=yellow&timeout=1s", http.NoBody)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	request.Close = true // no connection stays behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return fmt.Errorf("health is %s: %s", response.Status, text)
	}
	return nil
}
