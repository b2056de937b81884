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

// Page answers as history.History.ReadPage does, and has what the history does
// not show yet. It ends, and says that there is more, where neither has the next
// message. It fails with Unavailable when that would be its first one. While the
// broker is away the history answers for itself.
func (r *Reader) Page(ctx context.Context, q history.PageQuery) (history.Page, error) {
	if q.Before == 0 && q.After == 0 {
		return r.newestPage(ctx, q)
	}
	page, err := r.readHistory(ctx, q)
	if err == nil && settles(page, q) {
		return page, nil
	}
	after := max(q.After, 0)
	if q.After == 0 {
		after = max(0, q.Before-1-bw.Seq(q.Limit))
	}
	tail, tailErr := r.broker.Tail(ctx, q.Room, after, wholeTail)
	switch {
	case tailErr != nil && err != nil:
		return page, err
	case q.After != 0:
		return r.pageAfter(ctx, q, tail, page, err)
	case tailErr == nil && q.Before > tail.Head.Seq+1:
		// What is newer than the head is not there yet: the newest are meant.
		return r.newestPage(ctx, q)
	}
	return r.pageBefore(ctx, q, tail, page, err)
}

// settles tells whether a page of the history needs no tail: no seq is missing in
// it, nor between it and where it was asked for, and what lies beyond is known.
func settles(page history.Page, q history.PageQuery) bool {
	n := len(page.Messages)
	if n == 0 {
		return false
	}
	first, last := page.Messages[0].Seq, page.Messages[n-1].Seq
	switch {
	case last-first != bw.Seq(n-1):
		return false
	case q.After != 0:
		return first == max(q.After, 0)+1 && page.More
	}
	return last == q.Before-1 && (page.More || first == 1)
}

// newestPage reads the newest messages, whatever q.Before is.
func (r *Reader) newestPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	tail, err := r.broker.Tail(ctx, q.Room, 0, q.Limit+tailSlack)
	if err == nil {
		q.Before = tail.Head.Seq + 1
		return r.extend(ctx, q, tail)
	}
	page, err := r.readHistory(ctx, q)
	if n := len(page.Messages); n > 0 {
		q.Before = page.Messages[n-1].Seq + 1
	}
	return r.pageBefore(ctx, q, broker.Tail{}, page, err)
}

// extend takes the messages before a seq from the tail, and from the history those
// that are too old for it, or whether there are any.
func (r *Reader) extend(ctx context.Context, q history.PageQuery, tail broker.Tail) (history.Page, error) {
	older, newest := q, upTo(tail.Messages, q.Before-1)
	if n := len(newest); n > 0 {
		older.Before, older.Limit = newest[0].Seq, max(0, q.Limit-n)
	}
	if len(newest) > q.Limit || older.Before == 1 {
		r.reads.WithLabelValues(sourceTail).Inc()
		return r.pageBefore(ctx, q, tail, history.Page{}, nil)
	}
	page, err := r.readHistory(ctx, older)
	return r.pageBefore(ctx, q, tail, page, err)
}

// pageBefore makes a page of what the history, unless it failed with err, and the
// tail have before a seq.
func (r *Reader) pageBefore(ctx context.Context, q history.PageQuery, tail broker.Tail, page history.Page, err error) (history.Page, error) {
	all := merge(page.Messages, upTo(tail.Messages, q.Before-1))
	n := len(all)
	if n == 0 || all[n-1].Seq != q.Before-1 {
		if err == nil {
			err = r.checkBelow(ctx, q, tail, all)
		}
		if err != nil {
			return history.Page{}, err
		}
	}
	answer := history.Page{Epoch: max(page.Epoch, epochOf(tail.Head)), More: page.More}
	if n == 0 {
		return answer, nil
	}
	kept := 1 + len(unbroken(tail, all[:n-1], all[n-1].Position()))
	answer.Messages = all[n-min(kept, q.Limit):]
	first := answer.Messages[0].Position()
	answer.More = page.More || len(answer.Messages) < n ||
		err != nil && first.Seq > 1 || // asking for them will tell why they are not to be had
		first.Epoch == tail.Head.Epoch && tail.Begins != 0 && first.Seq > tail.Begins
	return answer, nil
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
	page, err := r.readHistory(ctx, history.PageQuery{Room: q.Room, After: q.Before - 1, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Messages) > 0 && page.Messages[0].Epoch == found[len(found)-1].Epoch {
		return errLags()
	}
	return nil // it lies where one life of the log has ended and the next begins
}

// pageAfter makes a page of what the history, unless it failed with err, and the
// tail have after a seq.
func (r *Reader) pageAfter(ctx context.Context, q history.PageQuery, tail broker.Tail, page history.Page, err error) (history.Page, error) {
	if err != nil && !tail.Complete {
		return history.Page{}, err
	}
	all := merge(page.Messages, tail.Messages)
	if len(all) == 0 || all[0].Seq != max(q.After, 0)+1 {
		if err := r.checkAbove(ctx, q, tail, all); err != nil {
			return history.Page{}, err
		}
	}
	answer := history.Page{Epoch: max(page.Epoch, epochOf(tail.Head))}
	if len(all) == 0 {
		return answer, nil
	}
	kept := 1 + len(continued(tail, all[1:], all[0].Position()))
	answer.Messages = all[:min(kept, q.Limit)]
	n := len(answer.Messages)
	if tail.Head.Seq == 0 || tail.Head.Seq < tail.Begins { // nothing was said in this life of the log
		answer.More = page.More || n < len(all)
	} else {
		answer.More = all[n-1].Seq < tail.Head.Seq
	}
	return answer, nil
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
	page, err := r.readHistory(ctx, history.PageQuery{Room: q.Room, Before: next, Limit: 1})
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

// epochOf is the epoch of a room's newest message, 0 if it never had one.
func epochOf(head bw.Position) bw.Epoch {
	if head.Seq == 0 {
		return 0
	}
	return head.Epoch
}
