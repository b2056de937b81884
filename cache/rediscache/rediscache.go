// Package rediscache is the cache that the servers of a cluster share, in Redis.
//
// A key has a value and, between two changes, a mark: a random text that the first
// load after a change leaves there for a minute, and that every change removes.
// What was loaded is kept if the mark that was there before the load still is; a
// mark that was lost, with all of Redis or because its time was over, matches
// nothing. So nothing here has to survive.
//
// A Redis that is away costs a caller a quarter of a second at most, and most of
// them nothing: after a few failures calls fail at once for a while.
package rediscache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"github.com/breakwater-chat/breakwater/cache"
)

// Cache implements cache.Cache. Its methods return within Config.Timeout.
type Cache struct {
	client  *redis.Client
	breaker *gobreaker.CircuitBreaker[any]
	prefix  string
	timeout time.Duration
	metrics *metrics
}

var _ cache.Cache = (*Cache)(nil)

// Open makes a view of the cache. It needs no Redis: one that is away now is
// found when it comes.
func Open(cfg Config) (*Cache, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		// The text of the error may hold the password.
		return nil, errors.New("the address of Redis is not a redis:// URL")
	}
	options.Protocol = 2
	options.ContextTimeoutEnabled = true // the deadline of a call is its context's alone
	options.DialTimeout, options.PoolTimeout = cfg.Timeout, cfg.Timeout
	options.ReadTimeout, options.WriteTimeout = cfg.Timeout, cfg.Timeout
	options.MaxRetries, options.DialerRetries = -1, 1
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &Cache{
		client: redis.NewClient(options), breaker: newBreaker(cfg.Rest, cfg.Log),
		prefix: cfg.Prefix, timeout: cfg.Timeout, metrics: newMetrics(cfg.Registerer),
	}, nil
}

// newBreaker makes calls fail at once after some have failed in a row.
func newBreaker(rest time.Duration, log *slog.Logger) *gobreaker.CircuitBreaker[any] {
	const failures = 3
	return gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Timeout:     rest,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errGivenUp) },
		IsSuccessful: func(err error) bool {
			var refusal redis.Error // Redis is there, though it says no
			return err == nil || errors.As(err, &refusal)
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				log.Warn("the cache in Redis does not answer: values are loaded without it")
			case to == gobreaker.StateClosed:
				log.Info("the cache in Redis answers again")
			}
		},
	})
}

// errGivenUp marks what failed because its caller went away: that says nothing
// about Redis.
var errGivenUp = errors.New("given up by its caller")

// do asks Redis, within the time of a call.
func (c *Cache) do(ctx context.Context, operation operation, ask func(context.Context) error) error {
	_, err := c.breaker.Execute(func() (any, error) {
		limited, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		err := ask(limited)
		if err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errGivenUp, context.Cause(ctx))
		}
		return nil, err
	})
	if err != nil {
		c.metrics.errors.WithLabelValues(string(operation)).Inc()
		return fmt.Errorf("%s in Redis: %w", operation, err)
	}
	return nil
}

// value and mark name what Redis holds of a key. The braces keep both on one node
// of a Redis that is spread over several.
func (c *Cache) value(key string) string { return c.prefix + "value:{" + key + "}" }
func (c *Cache) mark(key string) string  { return c.prefix + "mark:{" + key + "}" }

// Get implements cache.Cache.
func (c *Cache) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	err = c.do(ctx, opGet, func(ctx context.Context) (err error) {
		value, err = c.client.Get(ctx, c.value(key)).Bytes()
		if ok = err == nil; errors.Is(err, redis.Nil) {
			value, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if ok {
		c.metrics.hits.Inc()
	} else {
		c.metrics.misses.Inc()
	}
	return value, ok, nil
}

// Set implements cache.Cache.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return c.do(ctx, opSet, func(ctx context.Context) error {
		_, err := c.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			tx.Set(ctx, c.value(key), value, atLeast(ttl))
			tx.Unlink(ctx, c.mark(key))
			return nil
		})
		return err
	})
}

// takeMark gives the mark of a key, and makes one that is offered if there is none.
var takeMark = redis.NewScript(`
local mark = redis.call('GET', KEYS[1])
if mark then return mark end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`)

// Mark implements cache.Cache.
func (c *Cache) Mark(ctx context.Context, key string) (mark cache.Mark, err error) {
	err = c.do(ctx, opMark, func(ctx context.Context) error {
		text, err := takeMark.Run(ctx, c.client, []string{c.mark(key)}, rand.Text(), cache.MarkLife.Milliseconds()).Text()
		mark = cache.Mark(text)
		return err
	})
	if err != nil {
		return "", err
	}
	return mark, nil
}

// setSince sets a value if the mark is still there, and ends the mark.
var setSince = redis.NewScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
return 1`)

// SetSince implements cache.Cache.
func (c *Cache) SetSince(ctx context.Context, mark cache.Mark, key string, value []byte, ttl time.Duration) error {
	return c.do(ctx, opSet, func(ctx context.Context) error {
		keys := []string{c.value(key), c.mark(key)}
		return setSince.Run(ctx, c.client, keys, string(mark), value, atLeast(ttl).Milliseconds()).Err()
	})
}

// atLeast rounds a time to live up to what Redis knows.
func atLeast(ttl time.Duration) time.Duration { return max(ttl, time.Millisecond) }

// Delete implements cache.Cache. It is one round trip however many keys there are.
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return c.do(ctx, opDelete, func(ctx context.Context) error {
		_, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Unlink(ctx, c.value(key), c.mark(key))
			}
			return nil
		})
		return err
	})
}

// Close implements cache.Cache.
func (c *Cache) Close() error {
	if err := c.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close the cache in Redis: %w", err)
	}
	return nil
}
