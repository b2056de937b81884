package drill

import (
	"context"
	"fmt"
	"time"
)

// between is the rest between two looks at a condition.
const between = 50 * time.Millisecond

// await waits until something holds. The error says what was missing at the end.
func await(ctx context.Context, within time.Duration, what string, holds func() error) error {
	deadline := time.After(within)
	for {
		missing := holds()
		if missing == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("waited %v in vain for %s: %w", within, what, missing)
		case <-time.After(between):
		}
	}
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
