package cache

import "context"

// Tiers are loaders one behind the other, the nearest first: each asks the next
// for what it has not, and the last one the source. The last one's cache is that
// of all servers.
type Tiers[T any] []*Loader[T]

// GetIf is Loader.GetIf of the nearest; without any, it loads.
func (t Tiers[T]) GetIf(
	ctx context.Context, key string, good func(T) bool, load func(context.Context) (T, bool, error),
) (value T, found bool, err error) {
	if len(t) == 0 {
		return load(ctx)
	}
	further := func(ctx context.Context) (T, bool, error) { return t[1:].GetIf(ctx, key, good, load) }
	value, found, err = t[0].GetIf(ctx, key, good, further)
	if !found && err == nil && len(t) > 1 {
		// What this process is loading for another caller may be from before the
		// change of another server: only the shared cache knows of that.
		return further(ctx)
	}
	return value, found, err
}

// Close ends all loads and waits for them.
func (t Tiers[T]) Close() {
	for _, l := range t {
		l.Close()
	}
}
