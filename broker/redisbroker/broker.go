package redisbroker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// Broker implements broker.Broker and broker.Feed. Make one with Open.
type Broker struct {
	cfg     Config
	keys    keys
	metrics *metrics
	// Sends, reads, the subscription and the feed have connections of their own,
	// so that none waits behind another one.
	writes, reads, listens, feeds *redis.Client
	sends                         *queue[*request]
	notices                       *queue[broker.Notice]
	seen                          sightings
	feed                          *feed
	backlog                       backlog
	// asking bounds the calls of Config.Newest, fetching the reads of tails for
	// receivers.
	asking, fetching chan struct{}

	// ctx ends when everything but the answers to sends is to stop.
	ctx     context.Context
	stop    context.CancelFunc
	closing sync.Once
	// answering is the writer and the notifier, running everything else.
	answering, running sync.WaitGroup

	// failure is the writer's last word; nil while it works.
	failure atomic.Pointer[failure]
	// heard is when something last came by the subscription, as the time since began: the
	// wall clock may jump.
	began time.Time
	heard atomic.Int64
	// inboxBytes is the sum over all rooms.
	inboxBytes atomic.Int64
	// followed wakes the follower, doubted the checker.
	followed, doubted chan struct{}

	mu       sync.Mutex // guards the rest, and the parts of a room that say so
	stopped  bool
	rooms    map[bw.RoomID]*room
	renewals map[bw.RoomID]*renewal
	// pubsub is the subscription at hand; unfollowed are the rooms that it has to
	// be told, idle those that nobody holds, since when.
	pubsub     *redis.PubSub
	unfollowed map[*room]struct{}
	idle       map[*room]time.Time
	// doubts are the rooms whose head has to be read, and why.
	doubts map[*room]cause
}

var (
	_ broker.Broker = (*Broker)(nil)
	_ broker.Feed   = (*Broker)(nil)
)

var errClosed = errors.New("the broker is closed")

// openTimeout is how long Open waits for Redis.
const openTimeout = 4 * time.Second

// Open connects to Redis and starts a broker. It fails when Redis does not
// answer within 4 s.
func Open(ctx context.Context, cfg Config) (*Broker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		// The text of the error may hold the password.
		return nil, errors.New("the address of Redis is not a redis:// URL")
	}
	// The driver has one logger for the whole process.
	redis.SetLogger(driverLog{cfg.Logger})
	b := newBroker(cfg, options)
	if err := b.connect(ctx); err != nil {
		b.disconnect()
		return nil, fmt.Errorf("connect to Redis at %s: %w", options.Addr, err)
	}
	b.warnOfLoss(ctx)
	b.start()
	return b, nil
}

func newBroker(cfg Config, options *redis.Options) *Broker {
	const asking, fetching = 8, 8
	b := &Broker{
		cfg: cfg, keys: newKeys(cfg.Prefix, options.DB),
		sends: newQueue[*request](cfg.QueueBytes), notices: newQueue[broker.Notice](cfg.NoticeBytes),
		seen: sightings{rooms: map[bw.RoomID]sighting{}}, feed: newFeed(),
		asking: make(chan struct{}, asking), fetching: make(chan struct{}, fetching),
		followed: make(chan struct{}, 1), doubted: make(chan struct{}, 1),
		rooms: map[bw.RoomID]*room{}, renewals: map[bw.RoomID]*renewal{},
		unfollowed: map[*room]struct{}{}, idle: map[*room]time.Time{}, doubts: map[*room]cause{},
	}
	client := func(connections int, timeout time.Duration) *redis.Client {
		o := *options
		o.Protocol = 2 // the subscription needs no more, and Redis 6 has it
		o.PoolSize, o.PipelinePoolSize = connections, -1
		// A failure is answered or tried again by who knows what for.
		o.MaxRetries, o.DialerRetries = -1, 1
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
		o.ContextTimeoutEnabled = true
		o.DisableIdentity = true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return redis.NewClient(&o)
	}
	b.writes = client(1, cfg.SendTimeout/2)
	b.reads = client(16, cfg.ReadTimeout)
	b.listens = client(1, cfg.ReadTimeout)
	b.feeds = client(4, 2*feedBlock)
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// connect waits until Redis answers, which it does not while it loads its data.
func (b *Broker) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for {
		err := sendScript.Load(ctx, b.reads).Err()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(trialEvery):
		}
	}
}

func (b *Broker) start() {
	b.metrics = newMetrics(b.cfg.Registerer, b)
	b.began = time.Now()
	b.answering.Go((&writer{b: b}).run)
	b.answering.Go(b.tellNotices)
	b.running.Go(b.listen)
	b.running.Go(b.follow)
	b.running.Go(b.probe)
	b.running.Go(b.check)
}

// spawn runs f in a goroutine that Close waits for, unless it is too late.
func (b *Broker) spawn(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	b.running.Go(f)
	return true
}

// Begin implements broker.Broker.
func (b *Broker) Begin(ctx context.Context, room bw.RoomID) error {
	h, err := b.oneHead(ctx, ask{room: room, mode: modeBegin, seen: b.seen.of(room)})
	if err != nil {
		return b.unavailable(err, "the room's log cannot be begun now")
	}
	b.seen.raise(room, h.Position, 0)
	return nil
}

// Send implements broker.Broker.
func (b *Broker) Send(s broker.Send, done func(broker.Ack, error)) {
	why, detail := refusedLog, "messages cannot be stored now"
	if !b.isDown() {
		r := &request{Send: s, done: done}
		binary.BigEndian.PutUint64(r.nonce[:], rand.Uint64())
		r.timer = time.AfterFunc(b.sendTimeout(), func() { b.expire(r) })
		if why = b.sends.put(r, r.cost()); why == accepted {
			return
		}
		r.timer.Stop()
		detail = "too many messages wait to be stored"
	}
	if why == refusedClosed {
		detail = "the server is stopping"
	}
	b.metrics.refused.WithLabelValues(string(why)).Inc()
	done(broker.Ack{}, b.unavailable(nil, detail))
}

func (b *Broker) sendTimeout() time.Duration {
	if ablation.Off(ablation.SendTimeout) {
		return time.Hour
	}
	return b.cfg.SendTimeout
}

// isDown tells whether nothing could be stored for so long that a send need not wait.
func (b *Broker) isDown() bool {
	f := b.failure.Load()
	return f != nil && time.Since(f.since) > b.cfg.SendTimeout
}

// Healthy implements broker.Broker.
func (b *Broker) Healthy(context.Context) error {
	if b.sends.isClosed() {
		return b.unavailable(nil, "the broker is closed")
	}
	if f := b.failure.Load(); f != nil {
		return b.unavailable(f.err, "messages cannot be stored now")
	}
	if time.Since(b.began)-time.Duration(b.heard.Load()) > b.silence()+b.cfg.ProbeEvery {
		return b.unavailable(nil, "messages do not arrive now")
	}
	if b.sends.size() >= b.cfg.QueueBytes*9/10 {
		return b.unavailable(nil, "too many messages wait to be stored")
	}
	return nil
}

// Close implements broker.Broker. Every call waits for the end.
func (b *Broker) Close() error {
	b.sends.close()
	b.notices.close()
	b.answering.Wait()
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
	b.stop()
	b.running.Wait()
	b.closing.Do(b.disconnect)
	return nil
}

// disconnect gives the connections back; there is nothing more to be said by them.
func (b *Broker) disconnect() {
	b.stop()
	for _, client := range []*redis.Client{b.writes, b.reads, b.listens, b.feeds} {
		_ = client.Close()
	}
}

func (b *Broker) unavailable(cause error, detail string) *bw.Error {
	return &bw.Error{Kind: bw.Unavailable, Detail: detail, RetryAfter: b.cfg.RetryAfter, Err: cause}
}

func (b *Broker) roomCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rooms)
}
