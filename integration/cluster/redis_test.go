package cluster

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// emptyRedis forgets everything that Redis holds.
func emptyRedis(t *testing.T) {
	t.Helper()
	options, err := redis.ParseURL(shared.services.Redis.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := redis.NewClient(options)
	defer r.Close()
	if err := r.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}
