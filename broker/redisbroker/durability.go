package redisbroker

import (
	"context"
	"fmt"
	"log/slog"
)

// warnOfLoss says which settings of Redis make an ack worth less than it could
// be. Where the settings may not be read it says nothing.
func (b *Broker) warnOfLoss(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	for _, s := range []struct{ name, safe, risk string }{
		{"appendonly", "yes", "a restart of Redis loses acked messages"},
		{"appendfsync", "always", "a crash of Redis loses what was acked in its last second or two"},
		{"maxmemory-policy", "noeviction", "Redis drops acked messages when its memory is full"},
	} {
		values, err := b.reads.ConfigGet(ctx, s.name).Result()
		if value := values[s.name]; err == nil && value != s.safe {
			b.cfg.Logger.Warn("the log is not as safe as it could be", "setting", s.name, "value", value, "safe", s.safe, "risk", s.risk)
		}
	}
}

// driverLog passes on what the driver says about its connections. Whatever
// matters of it comes back as an error, too, and is told there.
type driverLog struct{ *slog.Logger }

// Printf implements the driver's interface.
func (l driverLog) Printf(ctx context.Context, format string, v ...any) {
	l.DebugContext(ctx, fmt.Sprintf(format, v...))
}
