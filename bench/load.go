//go:build linux

package main

import (
	"fmt"
	"time"
)

// load is what a room of members is put under.
type load struct {
	publishers int
	// rate is messages a second; 0 keeps window messages on their way.
	rate, window int
	// warm is left out of the figures, measured is what they cover.
	warm, measured time.Duration
}

// fanOut is what a load cost and brought.
type fanOut struct {
	CPUPerMillion       float64 `json:"cpu_seconds_per_million_deliveries"`
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	MessagesPerSecond   float64 `json:"messages_per_second"`
	P50Milliseconds     float64 `json:"p50_ms"`
	P99Milliseconds     float64 `json:"p99_ms"`
}

// run puts the swarm, whose connections are all members of one room, under the
// load and waits at the end until everybody has everything.
func (l load) run(s *swarm, server *process) (fanOut, error) {
	if err := l.drive(s, l.warm); err != nil {
		return fanOut{}, err
	}
	before, err := server.cpu()
	if err != nil {
		return fanOut{}, err
	}
	delivered, sent, begin := s.delivered, s.sent, time.Now()
	s.latency = &histogram{}
	if err := l.drive(s, l.measured); err != nil {
		return fanOut{}, err
	}
	after, err := server.cpu()
	if err != nil {
		return fanOut{}, err
	}
	wall := time.Since(begin).Seconds()
	delivered, sent = s.delivered-delivered, s.sent-sent
	result := fanOut{
		CPUPerMillion:       (after - before).Seconds() / float64(delivered) * 1e6,
		DeliveriesPerSecond: float64(delivered) / wall,
		MessagesPerSecond:   float64(sent) / wall,
		P50Milliseconds:     milliseconds(s.latency.quantile(0.50)),
		P99Milliseconds:     milliseconds(s.latency.quantile(0.99)),
	}
	return result, settle(s)
}

// drive publishes for that long, round robin.
func (l load) drive(s *swarm, d time.Duration) error {
	begin, base := time.Now(), s.sent
	for elapsed := time.Duration(0); elapsed < d; elapsed = time.Since(begin) {
		wait := d - elapsed
		due := s.delivered/int64(len(s.conns)) + int64(l.window)
		if l.rate > 0 {
			interval := time.Second / time.Duration(l.rate)
			due = base + 1 + int64(elapsed/interval)
			wait = min(wait, interval-elapsed%interval)
		}
		for s.sent < due {
			if err := s.send(s.conns[s.sent%int64(l.publishers)]); err != nil {
				return err
			}
		}
		if err := s.poll(wait); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until every member has every message and every send its ack.
func settle(s *swarm) error {
	want := s.sent
	for deadline := time.Now().Add(patience); s.delivered < want*int64(len(s.conns)) || s.acked < want; {
		if err := s.poll(100 * time.Millisecond); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("got %d deliveries and %d acks, want %d and %d", s.delivered, s.acked, want*int64(len(s.conns)), want)
		}
	}
	for _, c := range s.conns {
		if c.received != want {
			return fmt.Errorf("member %d got %d messages, want %d", c.index, c.received, want)
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
