package rediscache

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Scripts: the key is that of the lock, the first argument the token. Both may be
// repeated: a command whose answer was lost is sent again.
const (
	lockScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
	unlockScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`
)

// TryLock implements cache.Locker.
func (c *Cache) TryLock(ctx context.Context, key, token string, life time.Duration) (bool, error) {
	cmd := redis.NewCmd(ctx, "EVAL", lockScript, 1, c.lock(key), token, milliseconds(life))
	if err := c.do(ctx, opLock, cmd, len(key)); err != nil {
		return false, err
	}
	return cmd.Bool()
}

// Unlock implements cache.Locker.
func (c *Cache) Unlock(ctx context.Context, key, token string) error {
	return c.do(ctx, opUnlock, redis.NewCmd(ctx, "EVAL", unlockScript, 1, c.lock(key), token), len(key))
}
