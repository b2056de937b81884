package redisbroker

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
)

//go:embed send.lua
var sendSource string

//go:embed head.lua
var headSource string

var (
	sendScript = redis.NewScript(sendSource)
	headScript = redis.NewScript(headSource)
)

// verdict is how a script ended.
type verdict int64

const (
	// stored is a new message, repeated one that was stored before, conflicting
	// one whose id has been used for another text.
	stored verdict = iota
	repeated
	conflicting
	// backlogFull refuses because the feed has not settled enough.
	backlogFull
	// forgotten says that the log has no memory of the room, or less than was seen.
	forgotten
	// tailAhead says that the tail has what the meta has forgotten.
	tailAhead
	// begun is a life that this very call has begun.
	begun
)

// reply is what both scripts answer: the room's newest position, or the
// message's, with its timestamp from one and the life's first seq from the other.
type reply struct {
	verdict verdict
	bw.Position
	extra int64
}

func parseReply(cmd *redis.Cmd) (reply, error) {
	numbers, err := cmd.Int64Slice()
	if err != nil {
		return reply{}, err
	}
	if len(numbers) == 0 {
		return reply{}, errors.New("an empty answer of a script")
	}
	r := reply{verdict: verdict(numbers[0])}
	if len(numbers) >= 3 {
		r.Position = bw.Position{Epoch: bw.Epoch(numbers[1]), Seq: bw.Seq(numbers[2])}
	}
	if len(numbers) >= 4 {
		r.extra = numbers[3]
	}
	return r, nil
}

// mode is what a caller of the head script wants.
type mode string

const (
	// modeRead begins nothing.
	modeRead mode = "read"
	// modeBegin makes a new room.
	modeBegin mode = "begin"
	// modeRenew begins a new life of a forgotten room, modeFork one of a room in
	// whose life two messages had the same seq.
	modeRenew mode = "renew"
	modeFork  mode = "fork"
)

// ask is one call of the head script.
type ask struct {
	room    bw.RoomID
	mode    mode
	seen    sighting
	durable bw.Position
}

// head is where a room is.
type head struct {
	bw.Position
	// floor is the first seq of the life.
	floor     bw.Seq
	forgotten bool
	begun     bool
	// err is what Redis says against this room alone.
	err error
}

// heads calls the head script for each, in one pipeline.
func (b *Broker) heads(ctx context.Context, asks ...ask) ([]head, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ReadTimeout)
	defer cancel()
	heads, err := b.tryHeads(ctx, asks)
	if isNoScript(err) {
		if err = headScript.Load(ctx, b.reads).Err(); err == nil {
			heads, err = b.tryHeads(ctx, asks)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the heads of %d rooms: %w", len(asks), err)
	}
	return heads, nil
}

func (b *Broker) tryHeads(ctx context.Context, asks []ask) ([]head, error) {
	clock := time.Now().UnixMilli()
	pipe := b.reads.Pipeline()
	cmds := make([]*redis.Cmd, len(asks))
	for i, a := range asks {
		cmds[i] = headScript.EvalSha(ctx, pipe, []string{b.keys.meta(a.room), b.keys.tail(a.room)},
			string(a.mode), clock, int64(a.seen.Epoch), int64(a.seen.Seq), int64(a.seen.timestamp),
			int64(a.durable.Epoch), int64(a.durable.Seq))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	heads := make([]head, len(asks))
	for i, cmd := range cmds {
		r, err := parseReply(cmd)
		if _, said := errors.AsType[redis.Error](err); err != nil && (!said || isNoScript(err)) {
			return nil, err
		}
		heads[i] = head{
			Position: r.Position, floor: bw.Seq(r.extra), forgotten: r.verdict == forgotten, begun: r.verdict == begun, err: err,
		}
	}
	return heads, nil
}

// oneHead calls the head script.
func (b *Broker) oneHead(ctx context.Context, a ask) (head, error) {
	heads, err := b.heads(ctx, a)
	if err != nil {
		return head{}, err
	}
	return heads[0], heads[0].err
}

// isNoScript tells whether Redis has lost a script, as it does with a restart.
func isNoScript(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") }
