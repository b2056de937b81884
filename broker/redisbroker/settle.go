package redisbroker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/breakwater-chat/breakwater/broker"
)

// Settle implements broker.Feed. An entry leaves the stream before the list of
// what is pending: if only the first is done, nobody is handed it any more.
func (b *Broker) Settle(ctx context.Context, entries []broker.Entry) error {
	var ids [partitions][]string
	for _, e := range entries {
		p, id, err := parseKey(e.Key)
		if err != nil {
			return b.unavailable(err, "the entry cannot be settled")
		}
		ids[p] = append(ids[p], id)
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	pipe := b.feeds.Pipeline()
	for p, some := range ids {
		if len(some) > 0 {
			pipe.XDel(ctx, b.keys.log(p), some...)
			pipe.XAck(ctx, b.keys.log(p), group, some...)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return b.unavailable(fmt.Errorf("settle %d entries: %w", len(entries), err), "the log of new messages cannot be written now")
	}
	return nil
}

// Park implements broker.Feed. The entry goes, with the reason, to the stream
// "parked" of its partition.
func (b *Broker) Park(ctx context.Context, e broker.Entry, reason string) error {
	s := broker.Send{Room: e.Room, User: e.User, ID: e.ID, Text: e.Text}
	return b.park(ctx, e.Key, string(appendBody(appendHeader(nil, &e.Message), &s)), reason)
}

func (b *Broker) park(ctx context.Context, key, payload, reason string) error {
	p, id, err := parseKey(key)
	if err != nil {
		return b.unavailable(err, "the entry cannot be parked")
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	_, err = b.feeds.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: b.keys.parked(p), Values: []any{field, payload, "entry", id, "reason", reason}})
		pipe.XDel(ctx, b.keys.log(p), id)
		pipe.XAck(ctx, b.keys.log(p), group, id)
		return nil
	})
	if err != nil {
		return b.unavailable(fmt.Errorf("park entry %s: %w", key, err), "the log of new messages cannot be written now")
	}
	b.metrics.parked.Inc()
	b.cfg.Logger.Error("a message can never be indexed and was put aside", "entry", key, "stream", b.keys.parked(p), "reason", reason)
	return nil
}

func parseKey(key string) (partition int, id string, err error) {
	first, id, ok := strings.Cut(key, ":")
	partition, err = strconv.Atoi(first)
	if !ok || err != nil || partition < 0 || partition >= partitions {
		return 0, "", fmt.Errorf("entry %q is not of this feed", key)
	}
	return partition, id, nil
}
