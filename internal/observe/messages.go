package observe

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
)

// History measures a history. Closing it closes the history.
func (m *Meter) History(h history.History) history.History {
	return observedHistory{h, dependency{"history", m}}
}

type observedHistory struct {
	history.History
	d dependency
}

func (h observedHistory) ReadPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	return call(h.d, "read_page", func() (history.Page, error) { return h.History.ReadPage(ctx, q) })
}

func (h observedHistory) Search(ctx context.Context, q history.SearchQuery) (history.SearchResult, error) {
	return call(h.d, "search", func() (history.SearchResult, error) { return h.History.Search(ctx, q) })
}

// Broker measures a broker: a send takes until it is answered. Closing it closes
// the broker.
func (m *Meter) Broker(b broker.Broker) broker.Broker {
	return observedBroker{b, dependency{"broker", m}}
}

type observedBroker struct {
	broker.Broker
	d dependency
}

func (b observedBroker) Send(s broker.Send, done func(broker.Ack, error)) {
	end := b.d.start("send")
	b.Broker.Send(s, func(ack broker.Ack, err error) {
		end(err)
		done(ack, err)
	})
}

func (b observedBroker) Subscribe(ctx context.Context, room bw.RoomID, r broker.Receiver) (sub broker.Subscription, at bw.Position, err error) {
	end := b.d.start("subscribe")
	sub, at, err = b.Broker.Subscribe(ctx, room, r)
	end(err)
	return sub, at, err
}

func (b observedBroker) Tail(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) (broker.Tail, error) {
	return call(b.d, "tail", func() (broker.Tail, error) { return b.Broker.Tail(ctx, room, after, limit) })
}
