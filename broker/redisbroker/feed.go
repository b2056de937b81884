package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

const (
	// group is the consumer group of all partitions' logs.
	group = "history"
	// feedBlock is how long one read waits at Redis; after it, it looks whether
	// its caller still waits.
	feedBlock = 500 * time.Millisecond
)

// feed is what reading the feed remembers.
type feed struct {
	// first is the partition that the next read begins with.
	first atomic.Uint64
	// doubted is set when an answer was lost, which may have handed something out; so may
	// an earlier life of this consumer.
	doubted atomic.Bool
	// claims is held by the one who looks for entries that nobody settles.
	claims chan *claims
}

// claims is when to look for such entries next, and where in each partition.
type claims struct {
	next time.Time
	from [partitions]string
	// own is the partition in which this consumer's own entries are read again, up to
	// ownAfter so far; there is nothing to read again behind the last one.
	own      int
	ownAfter string
}

// streamStart is before the first entry of a stream.
const streamStart = "0-0"

func newFeed() *feed {
	c := &claims{own: partitions, ownAfter: streamStart}
	for p := range c.from {
		c.from[p] = streamStart
	}
	f := &feed{claims: make(chan *claims, 1)}
	f.doubted.Store(true)
	f.claims <- c
	return f
}

// Read implements broker.Feed.
func (b *Broker) Read(ctx context.Context, limit int) ([]broker.Entry, error) {
	for {
		entries, err := b.readSome(ctx, limit)
		if isNoGroup(err) {
			// Redis has lost its data, or never had any. What is in the streams by
			// now is read from their beginning.
			err = b.makeGroups(ctx)
		}
		switch {
		case err == nil && len(entries) > 0:
			return entries, nil
		case err == nil:
			err = ctx.Err()
		}
		if err != nil {
			return entries, b.unavailable(err, "the log of new messages cannot be read now")
		}
	}
}

// readSome reads what was handed out before and has not been settled, or else what is
// new. It may come back with nothing.
func (b *Broker) readSome(ctx context.Context, limit int) ([]broker.Entry, error) {
	if entries, err := b.readAgain(ctx, limit); err != nil || len(entries) > 0 {
		return entries, err
	}
	wait := feedBlock
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(deadline), time.Millisecond))
	}
	// Every partition gets its share first, then those that have more.
	share, streams := b.shares(limit)
	read, err := b.readGroup(ctx, wait, share, streams)
	if err != nil {
		return nil, err
	}
	var entries []broker.Entry
	for _, p := range streams {
		entries = b.collect(ctx, entries, p, read[p])
	}
	for _, p := range streams {
		if len(read[p]) < share || len(entries) >= limit {
			continue
		}
		more, err := b.readGroup(ctx, -1, limit-len(entries), []int{p})
		if err != nil {
			return entries, nil //nolint:nilerr // what was read is this consumer's; the next read tells
		}
		entries = b.collect(ctx, entries, p, more[p])
	}
	return entries, nil
}

// shares tells how many entries to read at first, and of which partitions.
func (b *Broker) shares(limit int) (share int, streams []int) {
	n := min(limit, partitions)
	first := int(b.feed.first.Add(uint64(n)) % partitions)
	for i := range n {
		streams = append(streams, (first+i)%partitions)
	}
	return max(1, limit/partitions), streams
}

// readGroup reads new entries, by partition. It does not end with ctx while it
// waits: what Redis hands out then would be nobody's for a while.
func (b *Broker) readGroup(ctx context.Context, wait time.Duration, count int, from []int) (map[int][]redis.XMessage, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(wait, 0)+b.cfg.ReadTimeout)
	defer cancel()
	args := redis.XReadGroupArgs{Group: group, Consumer: b.cfg.Consumer, Count: int64(count), Block: wait}
	of := make(map[string]int, len(from))
	for _, p := range from {
		args.Streams = append(args.Streams, b.keys.log(p))
		of[b.keys.log(p)] = p
	}
	for range from {
		args.Streams = append(args.Streams, ">")
	}
	streams, err := b.feeds.XReadGroup(ctx, &args).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		b.feed.doubted.Store(true)
		return nil, fmt.Errorf("read new entries: %w", err)
	}
	read := make(map[int][]redis.XMessage, len(streams))
	for _, s := range streams {
		read[of[s.Stream]] = s.Messages
	}
	return read, nil
}

// readAgain reads what was handed out before: to this consumer, if it may not know of it,
// and what has not been settled for too long, whoever had it.
func (b *Broker) readAgain(ctx context.Context, limit int) ([]broker.Entry, error) {
	if ablation.Off(ablation.Claim) {
		return nil, nil
	}
	var c *claims
	select {
	case c = <-b.feed.claims:
		defer func() { b.feed.claims <- c }()
	default:
		return nil, nil // another read does
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.ReadTimeout)
	defer cancel()
	if entries, err := b.readOwn(ctx, c, limit); err != nil || len(entries) > 0 {
		return entries, err
	}
	return b.claim(ctx, c, limit)
}

// readOwn reads all that this consumer has not settled, if an answer was lost: what was in
// that one would else be nobody's until it is claimed.
func (b *Broker) readOwn(ctx context.Context, c *claims, limit int) (entries []broker.Entry, err error) {
	if b.feed.doubted.Swap(false) {
		c.own, c.ownAfter = 0, streamStart
	}
	for c.own < partitions && len(entries) < limit {
		streams, err := b.feeds.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: b.cfg.Consumer, Count: int64(limit - len(entries)), Block: -1,
			Streams: []string{b.keys.log(c.own), c.ownAfter},
		}).Result()
		if err != nil {
			b.feed.doubted.Store(true)
			if len(entries) > 0 {
				return entries, nil
			}
			return nil, fmt.Errorf("read this consumer's entries again: %w", err)
		}
		if len(streams) == 0 || len(streams[0].Messages) == 0 {
			c.own, c.ownAfter = c.own+1, streamStart
			continue
		}
		records := streams[0].Messages
		c.ownAfter = records[len(records)-1].ID
		// One without values is no more in the stream: it was settled, but for its place in the list.
		records = slices.DeleteFunc(records, func(r redis.XMessage) bool { return r.Values == nil })
		entries = b.collect(ctx, entries, c.own, records)
	}
	return entries, nil
}

// claim takes over what has not been settled for too long.
func (b *Broker) claim(ctx context.Context, c *claims, limit int) ([]broker.Entry, error) {
	if time.Now().Before(c.next) {
		return nil, nil
	}
	var entries []broker.Entry
	for p := range partitions {
		if len(entries) >= limit {
			return entries, nil // and look again at once
		}
		records, next, err := b.feeds.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: b.keys.log(p), Group: group, Consumer: b.cfg.Consumer,
			MinIdle: b.cfg.ClaimAfter, Start: c.from[p], Count: int64(limit - len(entries)),
		}).Result()
		if err != nil {
			b.feed.doubted.Store(true)
			if len(entries) > 0 {
				return entries, nil
			}
			return nil, fmt.Errorf("claim entries: %w", err)
		}
		c.from[p] = next
		b.metrics.claimed.Add(float64(len(records)))
		entries = b.collect(ctx, entries, p, records)
	}
	c.next = time.Now().Add(b.cfg.ClaimAfter / 4)
	return entries, nil
}

// collect adds records of a partition. What is no message is put aside.
func (b *Broker) collect(ctx context.Context, entries []broker.Entry, partition int, records []redis.XMessage) []broker.Entry {
	for _, record := range records {
		m, payload, err := decodeEntry(record)
		key := strconv.Itoa(partition) + ":" + record.ID
		if err != nil {
			if err := b.park(ctx, key, payload, err.Error()); err != nil {
				b.cfg.Logger.Warn("an unreadable entry stays in the log", "entry", key, "error", err)
			}
			continue
		}
		entries = append(entries, broker.Entry{Key: key, Message: m})
	}
	return entries
}

// makeGroups makes the consumer group where it is missing.
func (b *Broker) makeGroups(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	pipe := b.feeds.Pipeline()
	for p := range partitions {
		pipe.XGroupCreateMkStream(ctx, b.keys.log(p), group, "0")
	}
	cmds, _ := pipe.Exec(ctx)
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
			return fmt.Errorf("make the consumer group: %w", err)
		}
	}
	return nil
}

// isNoGroup tells whether the group is gone, or the stream went while a read
// waited for it.
func isNoGroup(err error) bool {
	return err != nil && (redis.HasErrorPrefix(err, "NOGROUP") || redis.HasErrorPrefix(err, "UNBLOCKED"))
}
