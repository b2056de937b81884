package playback

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// wholeTail is how much of a tail is read where its reach matters: more than any
// broker promises to keep.
const wholeTail = 1500

// Page answers as history.History.ReadPage does, and has what the history does
// not show yet. It ends, and says that there is more, where neither has the next
// message. It fails with Unavailable when that would be its first one.
func (r *Reader) Page(ctx context.Context, q history.PageQuery) (history.Page, error) {
	if q.After != 0 {
		return r.pageAfter(ctx, q)
	}
	return r.pageBefore(ctx, q)
}

// pageBefore reads the newest messages from the tail, and those before a seq from
// the history: who scrolls back leaves the tail behind.
func (r *Reader) pageBefore(ctx context.Context, q history.PageQuery) (history.Page, error) {
	var page history.Page
	var err error
	asked, from := q.Before, max(0, q.Before-1-bw.Seq(q.Limit))
	if asked != 0 {
		page, err = r.readHistory(ctx, q)
		if n := len(page.Messages); n > 0 && page.Messages[n-1].Seq == asked-1 {
			return whole(page), nil
		}
	}
	tail, tailErr := r.broker.Tail(ctx, q.Room, from, wholeTail)
	if tailErr != nil {
		if asked == 0 {
			return r.readHistory(ctx, q)
		}
		return page, err
	}
	if asked == 0 || asked > tail.Head.Seq+1 {
		// What is newer than the head is not there yet: the newest are meant.
		q.Before = tail.Head.Seq + 1
		if tail, err = r.broker.Tail(ctx, q.Room, 0, q.Limit+tailSlack); err != nil {
			return page, err
		}
	}
	below := upTo(tail.Messages, q.Before-1)
	if len(below) == 0 && q.Before == asked {
		return whole(page), err // older than the tail
	}
	return r.joinUp(ctx, q, below, max(page.Epoch, epochOf(tail.Head)))
}

// joinUp puts what the history has in front of the newest messages of a page.
func (r *Reader) joinUp(ctx context.Context, q history.PageQuery, newest []bw.Message, epoch bw.Epoch) (history.Page, error) {
	if len(newest) >= q.Limit || len(newest) > 0 && newest[0].Seq == 1 {
		r.reads.WithLabelValues(sourceTail).Inc()
		cut := max(0, len(newest)-q.Limit)
		return history.Page{Epoch: epoch, Messages: newest[cut:], More: newest[cut].Seq > 1}, nil
	}
	older := q
	older.Limit -= len(newest)
	if len(newest) > 0 {
		older.Before = newest[0].Seq
	}
	page, err := r.readHistory(ctx, older)
	if len(newest) == 0 {
		return whole(page), err
	}
	if err != nil {
		// There are older ones; asking for them will tell why they are not to be had.
		return history.Page{Epoch: epoch, Messages: newest, More: true}, nil
	}
	joined := unbroken(page.Messages, newest[0].Position())
	return history.Page{
		Epoch:    max(epoch, page.Epoch),
		Messages: append(joined[:len(joined):len(joined)], newest...),
		More:     page.More || len(joined) < len(page.Messages) || len(joined) == 0,
	}, nil
}

// pageAfter reads from the history, and goes on in the tail where that ends.
func (r *Reader) pageAfter(ctx context.Context, q history.PageQuery) (history.Page, error) {
	last := bw.Position{Seq: max(q.After, 0)}
	page, err := r.readHistory(ctx, q)
	read := unbrokenFrom(page.Messages)
	begins := len(read) > 0 && read[0].Seq == last.Seq+1
	if err == nil && begins && len(read) >= q.Limit {
		return page, nil
	}
	tail, tailErr := r.broker.Tail(ctx, q.Room, last.Seq, wholeTail)
	if tailErr != nil {
		return page, err
	}
	if err != nil && !tail.Complete {
		return history.Page{}, err
	}
	rest := tail.Messages
	switch {
	case len(read) > 0:
		last = read[len(read)-1].Position()
		rest = continued(above(rest, last.Seq), last)
	case len(rest) > 0 && rest[0].Seq != last.Seq+1 && rest[0].Seq != tail.Begins:
		return history.Page{}, bw.Unavailablef(nil, "the history is catching up with the room; try again")
	}
	all := append(read[:len(read):len(read)], rest...)
	all = all[:min(len(all), q.Limit)]
	more := page.More || len(read) < len(page.Messages)
	if n := len(all); n > 0 {
		more = all[n-1].Seq < tail.Head.Seq
	}
	return history.Page{Epoch: max(page.Epoch, epochOf(tail.Head)), Messages: all, More: more}, nil
}

// epochOf is the epoch of a room's newest message, 0 if it never had one.
func epochOf(head bw.Position) bw.Epoch {
	if head.Seq == 0 {
		return 0
	}
	return head.Epoch
}

// whole cuts a page of the history, newest messages first, where one is missing.
func whole(page history.Page) history.Page {
	n := len(page.Messages)
	if n == 0 {
		return page
	}
	kept := unbroken(page.Messages[:n-1], page.Messages[n-1].Position())
	page.More = page.More || len(kept) < n-1
	page.Messages = page.Messages[n-1-len(kept):]
	return page
}

// unbrokenFrom returns the oldest of the messages between which nothing is missing.
func unbrokenFrom(all []bw.Message) []bw.Message {
	if len(all) == 0 {
		return nil
	}
	return all[:1+len(continued(all[1:], all[0].Position()))]
}
