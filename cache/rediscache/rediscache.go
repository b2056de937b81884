// Package rediscache is the cache that the servers of a cluster share, in Redis.
//
// A key has a value and, between two changes, a mark: a random text that the first
// load after a change leaves there for a minute, and that every change removes.
// What was loaded is kept if the mark that was there before the load still is; a
// mark that was lost, with all of Redis or because its time was over, matches
// nothing. So nothing here has to survive. Locks are keys, too, which end by
// themselves.
//
// A Redis that is away costs a caller a quarter of a second at most, and most of
// them nothing: after a failure calls fail at once for a while.
package rediscache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/breakwater-chat/breakwater/cache"
)

// Cache implements cache.Cache.
type Cache struct {
	client  *redis.Client
	pipe    *pipe
	prefix  string
	metrics *metrics
}

var (
	_ cache.Cache  = (*Cache)(nil)
	_ cache.Locker = (*Cache)(nil)
)

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
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.PoolTimeout = cfg.Timeout, cfg.Timeout
	options.ReadTimeout, options.WriteTimeout = cfg.Timeout, cfg.Timeout
	// All commands may be repeated: another connection is tried when one is broken.
	options.MaxRetries, options.DialerRetries, options.PoolSize = 1, 1, pipeConnections
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	client := redis.NewClient(options)
	return &Cache{client: client, pipe: newPipe(client, cfg), prefix: cfg.Prefix, metrics: newMetrics(cfg.Registerer)}, nil
}

// do gives Redis one command of about size bytes and waits for the answer. That
// there is nothing is one.
func (c *Cache) do(ctx context.Context, operation operation, cmd redis.Cmder, size int) error {
	if err := c.pipe.ask(ctx, cmd, size); err != nil && !errors.Is(err, redis.Nil) {
		c.metrics.errors.WithLabelValues(string(operation)).Inc()
		return fmt.Errorf("%s in Redis: %w", operation, err)
	}
	return nil
}

// value, mark and lock name what Redis holds of a key.
func (c *Cache) value(key string) string { return c.prefix + "value:" + key }
func (c *Cache) mark(key string) string  { return c.prefix + "mark:" + key }
func (c *Cache) lock(key string) string  { return c.prefix + "lock:" + key }

// Get implements cache.Cache.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, bool, error) {
	cmd := redis.NewStringCmd(ctx, "GET", c.value(key))
	if err := c.do(ctx, opGet, cmd, len(key)); err != nil {
		return nil, false, err
	}
	if errors.Is(cmd.Err(), redis.Nil) {
		c.metrics.misses.Inc()
		return nil, false, nil
	}
	c.metrics.hits.Inc()
	value, err := cmd.Bytes()
	return value, err == nil, err
}

// Scripts: KEYS are the value and the mark of a key. A change of the value ends
// the mark.
const (
	markScript = `
local mark = redis.call('GET', KEYS[2])
if mark then return mark end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`
	setScript = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('UNLINK', KEYS[2])`
	setSinceScript = `
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return end` + setScript
)

// script is a call of one of them.
func (c *Cache) script(ctx context.Context, script, key string, args ...any) *redis.Cmd {
	return redis.NewCmd(ctx, append([]any{"EVAL", script, 2, c.value(key), c.mark(key)}, args...)...)
}

// Set implements cache.Cache.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return c.do(ctx, opSet, c.script(ctx, setScript, key, value, milliseconds(ttl)), len(key)+len(value))
}

// SetSince implements cache.Cache.
func (c *Cache) SetSince(ctx context.Context, mark cache.Mark, key string, value []byte, ttl time.Duration) error {
	cmd := c.script(ctx, setSinceScript, key, value, milliseconds(ttl), string(mark))
	return c.do(ctx, opSet, cmd, len(key)+len(value))
}

// milliseconds are what Redis counts times to live in; zero is none.
func milliseconds(ttl time.Duration) int64 { return max(ttl.Milliseconds(), 1) }

// Mark implements cache.Cache.
func (c *Cache) Mark(ctx context.Context, key string) (cache.Mark, error) {
	cmd := c.script(ctx, markScript, key, rand.Text(), cache.MarkLife.Milliseconds())
	if err := c.do(ctx, opMark, cmd, len(key)); err != nil {
		return "", err
	}
	mark, err := cmd.Text()
	if err != nil {
		return "", fmt.Errorf("read a mark: %w", err)
	}
	return cache.Mark(mark), nil
}

// Delete implements cache.Cache. It is one round trip however many keys there are.
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	args, size := []any{"UNLINK"}, 0
	for _, key := range keys {
		args, size = append(args, c.value(key), c.mark(key)), size+2*len(key)
	}
	return c.do(ctx, opDelete, redis.NewIntCmd(ctx, args...), size)
}

// Close implements cache.Cache.
func (c *Cache) Close() error {
	c.pipe.close()
	if err := c.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close the cache in Redis: %w", err)
	}
	return nil
}
