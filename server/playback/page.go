package playback

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
)

// wholeTail is how much of a tail is read where its reach matters: more than any
// broker promises to keep.
const wholeTail = 1500

// maxSeq is above all seqs, and so far from the largest number that it can be added to.
const maxSeq bw.Seq = 1 << 62

// Page is an answer to a history.PageQuery, oldest message first. The messages are
// shared with other callers: they must not be changed.
type Page struct {
	// Epoch is the room's newest epoch, 0 for a room that never had a message. While
	// the broker is away it is that of the newest message in the answer.
	Epoch    bw.Epoch
	Messages []bw.Message
	// More is true if the room has further messages beyond this page in the
	// direction of the query.
	More bool
}

// Page answers as history.History.ReadPage does, and has what the history does
// not show yet. It ends, and says that there is more, where neither has the next
// message. It fails with Unavailable when that would be its first one. While the
// broker is away the history answers for itself.
func (r *Reader) Page(ctx context.Context, q history.PageQuery) (Page, error) {
	if q.Before == 0 && q.After == 0 {
		return r.newestPage(ctx, q)
	}
	q.Before, q.After = min(q.Before, maxSeq), min(q.After, maxSeq)
	tail, tailErr := r.broker.Tail(ctx, q.Room, 0, 0)
	if tailErr == nil && q.Before > tail.Head.Seq+1 {
		// What is newer than the head is not there yet: the newest are meant.
		return r.newestPage(ctx, q)
	}
	page, err := r.readHistory(ctx, q, tail)
	if err == nil && settles(page, q, tail) {
		return answer(page.Messages, page.More, tail), nil
	}
	if tailErr == nil {
		after := max(q.After, 0)
		if q.After == 0 {
			after = max(0, q.Before-1-bw.Seq(q.Limit))
		}
		var whole broker.Tail
		if whole, tailErr = r.broker.Tail(ctx, q.Room, after, wholeTail); tailErr == nil {
			tail = whole
		}
	}
	switch {
	case tailErr != nil && err != nil:
		return Page{}, err
	case q.After != 0:
		return r.pageAfter(ctx, q, tail, page, err)
	}
	return r.pageBefore(ctx, q, tail, page, err)
}

// readHistory reads what the history has of the answer.
func (r *Reader) readHistory(ctx context.Context, q history.PageQuery, tail broker.Tail) (page history.Page, err error) {
	if q.After == 0 {
		return r.pages.before(ctx, q.Room, q.Before, q.Limit)
	}
	top := topOf(tail)
	page, err = r.pages.after(ctx, q.Room, q.After, top, tail.Begins, q.Limit)
	if n := len(page.Messages); top != 0 && n > 0 {
		page.More = page.Messages[n-1].Seq < top
	}
	return page, err
}

// answer is what a caller is told.
func answer(messages []bw.Message, more bool, tail broker.Tail) Page {
	page := Page{Messages: messages, More: more}
	if tail.Head.Seq != 0 {
		page.Epoch = tail.Head.Epoch
	}
	if n := len(messages); n > 0 {
		page.Epoch = max(page.Epoch, messages[n-1].Epoch)
	}
	return page
}

// settles tells whether a page of the history needs no more of the tail than its
// head: no seq is missing in it, nor between it and where it was asked for, and what
// lies beyond is known.
func settles(page history.Page, q history.PageQuery, tail broker.Tail) bool {
	n := len(page.Messages)
	if n == 0 {
		return false
	}
	first, last := page.Messages[0].Seq, page.Messages[n-1].Seq
	switch {
	case last-first != bw.Seq(n-1):
		return false
	case q.After != 0:
		return first == max(q.After, 0)+1 && (n == q.Limit && page.More || last == topOf(tail))
	}
	return last == q.Before-1 && (page.More || first == 1)
}

// newestPage reads the newest messages, whatever q.Before is.
func (r *Reader) newestPage(ctx context.Context, q history.PageQuery) (Page, error) {
	tail, err := r.broker.Tail(ctx, q.Room, 0, q.Limit+tailSlack)
	if err == nil {
		q.Before = tail.Head.Seq + 1
		return r.extend(ctx, q, tail)
	}
	page, err := r.pages.before(ctx, q.Room, maxSeq, q.Limit)
	if n := len(page.Messages); n > 0 {
		q.Before = page.Messages[n-1].Seq + 1
	}
	return r.pageBefore(ctx, q, broker.Tail{}, page, err)
}

// extend takes the messages before a seq from the tail, and from the history those
// that are too old for it, or whether there are any.
func (r *Reader) extend(ctx context.Context, q history.PageQuery, tail broker.Tail) (Page, error) {
	older, newest := q, upTo(tail.Messages, q.Before-1)
	if n := len(newest); n > 0 {
		older.Before, older.Limit = newest[0].Seq, max(0, q.Limit-n)
	}
	if len(newest) > q.Limit || older.Before == 1 {
		r.reads.WithLabelValues(sourceTail).Inc()
		return r.pageBefore(ctx, q, tail, history.Page{}, nil)
	}
	page, err := r.pages.before(ctx, q.Room, older.Before, older.Limit)
	return r.pageBefore(ctx, q, tail, page, err)
}

// pageBefore makes a page of what the history, unless it failed with err, and the
// tail have before a seq.
func (r *Reader) pageBefore(ctx context.Context, q history.PageQuery, tail broker.Tail, page history.Page, err error) (Page, error) {
	all := merge(page.Messages, upTo(tail.Messages, q.Before-1))
	n := len(all)
	if n == 0 || all[n-1].Seq != q.Before-1 {
		if err == nil {
			err = r.checkBelow(ctx, q, tail, all)
		}
		if err != nil {
			return Page{}, err
		}
	}
	if n == 0 {
		return answer(nil, page.More, tail), nil
	}
	kept := 1 + len(unbroken(tail, all[:n-1], all[n-1].Position()))
	all = all[n-min(kept, q.Limit):]
	first := all[0].Position()
	more := page.More || len(all) < n ||
		err != nil && first.Seq > 1 || // asking for them will tell why they are not to be had
		first.Epoch == tail.Head.Epoch && tail.Begins != 0 && first.Seq > tail.Begins
	return answer(all, more, tail), nil
}

// checkBelow fails if there is a message right below the seq that was asked for.
// It is not among those that were found.
func (r *Reader) checkBelow(ctx context.Context, q history.PageQuery, tail broker.Tail, found []bw.Message) error {
	if tail.Begins != 0 && q.Before > tail.Begins {
		return errLags()
	}
	if len(found) == 0 {
		return nil
	}
	above, err := r.pages.next(ctx, q.Room, q.Before-1)
	if err != nil {
		return err
	}
	if len(above) > 0 && above[0].Epoch == found[len(found)-1].Epoch {
		return errLags()
	}
	return nil // it lies where one life of the log has ended and the next begins
}

// pageAfter makes a page of what the history, unless it failed with err, and the
// tail have after a seq.
func (r *Reader) pageAfter(ctx context.Context, q history.PageQuery, tail broker.Tail, page history.Page, err error) (Page, error) {
	if err != nil && !tail.Complete {
		return Page{}, err
	}
	all := merge(page.Messages, tail.Messages)
	if len(all) == 0 || all[0].Seq != max(q.After, 0)+1 {
		if err := r.checkAbove(ctx, q, tail, all); err != nil {
			return Page{}, err
		}
	}
	if len(all) == 0 {
		return answer(nil, false, tail), nil
	}
	kept := 1 + len(continued(tail, all[1:], all[0].Position()))
	n := min(kept, q.Limit)
	more := all[n-1].Seq < tail.Head.Seq
	if tail.Head.Seq == 0 || tail.Head.Seq < tail.Begins { // nothing was said in this life of the log
		more = page.More || n < len(all)
	}
	return answer(all[:n], more, tail), nil
}

// checkAbove fails if those that were found do not begin with the first message
// above the seq that was asked for. It is not the very next seq.
func (r *Reader) checkAbove(ctx context.Context, q history.PageQuery, tail broker.Tail, found []bw.Message) error {
	next := max(q.After, 0) + 1
	if len(found) == 0 {
		if max(next, tail.Begins) <= tail.Head.Seq {
			return errLags()
		}
		return nil
	}
	page, err := r.pages.before(ctx, q.Room, next, 1)
	if err != nil {
		return err
	}
	last := bw.Position{Seq: next - 1}
	if n := len(page.Messages); n > 0 {
		last.Epoch = page.Messages[n-1].Epoch
	}
	if !follows(tail, found[0].Position(), last) {
		return errLags()
	}
	return nil
}

func errLags() error {
	return bw.Unavailablef(nil, "the history is catching up with the room; try again")
}
