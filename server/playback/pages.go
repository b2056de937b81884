package playback

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

const (
	// keepSettled is how long a page is kept that lacks nothing up to its last
	// message, keepOther any other one: somewhat longer than it is young.
	keepSettled = time.Hour
	keepOther   = 2 * time.Second
	// loadLimit bounds the wait for a page. Joins and requests have two seconds more.
	loadLimit = 8 * time.Second
	// lockLife is how long the others wait for a server that died while it read a page.
	lockLife = 3 * time.Second
	// sharedBytes is how much of settled pages one server puts into the shared cache
	// in keepSettled, and once at the start: who reads the whole history must not
	// fill the memory that the cache may share with the log.
	sharedBytes = 128 << 20
)

// pages reads the history by aligned pages, through caches: at most one server of a
// cluster reads a page at a time. What is read is a view of the history that may
// lag behind by some time where it has holes or ends, and nowhere else.
type pages struct {
	history history.History
	tiers   cache.Tiers[alignedPage]
	reads   *prometheus.CounterVec
}

// newPages makes one over the caches of Config.
func newPages(h history.History, caches []cache.Cache, reads *prometheus.CounterVec, waits prometheus.Counter, log *slog.Logger) *pages {
	p := &pages{history: h, reads: reads}
	budget := rate.NewLimiter(rate.Limit(sharedBytes/keepSettled.Seconds()), sharedBytes)
	for i, c := range caches {
		shared := i > 0
		next := sourceHistory
		if i < len(caches)-1 {
			next = sourceShared
		}
		p.tiers = append(p.tiers, cache.NewLoader(c, cache.LoaderConfig[alignedPage]{
			TTL: keepSettled,
			TTLOf: func(p alignedPage) time.Duration {
				if !p.settled() || shared && !budget.AllowN(time.Now(), p.bytes()) {
					return keepOther
				}
				return keepSettled
			},
			Timeout: loadLimit, LockLife: lockLife,
			Encode:       func(p alignedPage) ([]byte, error) { return p.encode(), nil },
			Decode:       decodePage,
			OnCacheError: func(err error) { log.Debug("the cache failed", "error", err) },
			OnLoad:       reads.WithLabelValues(next).Inc,
			OnWait:       waits.Inc,
		}))
	}
	return p
}

// page reads a page for who needs it up to a seq in it. One that does not reach so
// far was read a moment ago.
func (p *pages) page(ctx context.Context, room bw.RoomID, page int64, need bw.Seq) (alignedPage, error) {
	good := func(a alignedPage) bool { return a.reaches(page, need) || a.isYoung() }
	q := history.PageQuery{Room: room, Before: lastOf(page) + 1, Limit: pageSize + 1}
	return p.get(ctx, fmt.Sprintf("page:%d:%d", room, page), good, q)
}

// next reads the first message behind a seq, as it was a moment ago. It is
// for where a page does not go on.
func (p *pages) next(ctx context.Context, room bw.RoomID, after bw.Seq) ([]bw.Message, error) {
	q := history.PageQuery{Room: room, After: cmp.Or(after, wire.FromStart), Limit: 1}
	found, err := p.get(ctx, fmt.Sprintf("next:%d:%d", room, after), alignedPage.isYoung, q)
	return found.messages, err
}

// get reads what the history answers to a question. The error is Unavailable.
func (p *pages) get(ctx context.Context, key string, good func(alignedPage) bool, q history.PageQuery) (alignedPage, error) {
	p.reads.WithLabelValues(sourceNear).Inc()
	page, _, err := p.tiers.GetIf(ctx, key, good, func(ctx context.Context) (alignedPage, bool, error) {
		answer, err := p.history.ReadPage(ctx, q)
		return newAlignedPage(answer.Messages), err == nil, err
	})
	if err != nil && bw.KindOf(err) == bw.Internal {
		err = bw.Unavailablef(fmt.Errorf("read pages: %w", err), "the message history cannot be read now")
	}
	return page, err
}

// before reads the messages below a seq, as history.History.ReadPage does. They are
// needed as far as the page goes that has the first of them.
func (p *pages) before(ctx context.Context, room bw.RoomID, before bw.Seq, limit int) (answer history.Page, err error) {
	for below := before; below > 1; {
		page, err := p.page(ctx, room, pageOf(below-1), below-1)
		if err != nil {
			return history.Page{}, err
		}
		answer.Messages = append(upTo(page.messages, below-1), answer.Messages...)
		if n := len(answer.Messages); n >= limit {
			answer.Messages = answer.Messages[n-limit:]
			answer.More = n > limit || page.older.Seq != 0
			return answer, nil
		}
		below = page.older.Seq + 1
	}
	return answer, nil
}

// after reads the messages behind a seq, as history.History.ReadPage does. top is
// the newest one that is wanted, if it is known that there is one; then More says
// nothing. begins is where the newest life of the log begins, 0 if that is not
// known: no hole above it is for good.
func (p *pages) after(ctx context.Context, room bw.RoomID, after, top, begins bw.Seq, limit int) (answer history.Page, err error) {
	if top == 0 {
		limit++ // the one beyond tells whether there is more
	}
	next := max(after, 0) + 1
	enough := func() bool { return len(answer.Messages) >= limit || top != 0 && next > top }
	for !enough() {
		number := pageOf(next)
		need := next + bw.Seq(limit-len(answer.Messages)-1)
		if top != 0 {
			need = min(need, top)
		}
		page, err := p.page(ctx, room, number, min(need, lastOf(number)))
		if err != nil {
			return history.Page{}, err
		}
		answer.Messages = append(answer.Messages, downTo(page.messages, next)...)
		if n := len(answer.Messages); n > 0 {
			next = max(next, answer.Messages[n-1].Seq+1)
		}
		if enough() || next > lastOf(number) {
			continue
		}
		// The page does not go on: the room ends here, or this life of its log, or the
		// history lags.
		if begins != 0 && next >= begins {
			break
		}
		found, err := p.next(ctx, room, next-1)
		if err != nil {
			return history.Page{}, err
		}
		if len(found) == 0 || found[0].Seq <= lastOf(number) {
			break
		}
		next = found[0].Seq
	}
	if top == 0 {
		limit--
	}
	if len(answer.Messages) > limit {
		answer.Messages, answer.More = answer.Messages[:limit], true
	}
	return answer, nil
}
