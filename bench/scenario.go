//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// sizes of the scenarios.
type sizes struct {
	idle, idleRooms, inFlight   int
	settle                      time.Duration
	members, publishers, window int
	rate, rounds                int
	warm, saturated, atRate     time.Duration
}

// crowd is what many idle connections cost one server.
type crowd struct {
	FirstStorm       float64 `json:"first_visit_cpu_seconds_per_100k"`
	Storm            float64 `json:"storm_cpu_seconds_per_100k"`
	StormPerSecond   float64 `json:"storm_joins_per_second"`
	BytesPerConn     float64 `json:"resident_bytes_per_connection"`
	Bytes            float64 `json:"resident_bytes"`
	IdleCPUPerSecond float64 `json:"idle_cpu_seconds_per_second"`
}

// measureCrowd lets the connections join a server twice: users and rooms are
// new to the first process and known to the second, whose memory is measured.
func measureCrowd(s subject, z sizes) (result crowd, err error) {
	server, err := s.start()
	if err != nil {
		return crowd{}, err
	}
	if err = s.prepare(server, z.idleRooms); err == nil {
		err = withSwarm(server, s, z.idleRooms, func(w *swarm) error {
			result.FirstStorm, _, err = storm(server, w, z)
			return err
		})
	}
	if err = errors.Join(err, server.stop()); err != nil {
		return crowd{}, fmt.Errorf("first visit: %w", err)
	}
	if server, err = s.start(); err != nil {
		return crowd{}, err
	}
	if err = warmUp(server, s, z); err == nil {
		err = withSwarm(server, s, z.idleRooms, func(w *swarm) error { return again(server, w, z, &result) })
	}
	if err = errors.Join(err, server.stop()); err != nil {
		return crowd{}, fmt.Errorf("second visit: %w", err)
	}
	return result, nil
}

// warmUp lets some connections come and go, so that the memory of a server
// without connections is that of one whose code has been read from disk.
func warmUp(server *process, s subject, z sizes) error {
	err := withSwarm(server, s, z.idleRooms, func(w *swarm) error {
		return errors.Join(w.join(min(z.inFlight, z.idle), z.inFlight), w.idle(time.Second))
	})
	if err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	return waitForNobody(server)
}

// waitForNobody waits until the process has let go of all connections: until
// it uses no CPU any more.
func waitForNobody(server *process) error {
	deadline := time.Now().Add(patience)
	for before := time.Duration(-1); time.Now().Before(deadline); {
		used, err := server.cpu()
		if err != nil || used == before {
			return err
		}
		before = used
		time.Sleep(time.Second)
	}
	return errors.New("the server does not come to rest")
}

// again measures the second storm and what it leaves behind.
func again(server *process, w *swarm, z sizes, result *crowd) error {
	empty, err := server.resident()
	if err != nil {
		return err
	}
	if result.Storm, result.StormPerSecond, err = storm(server, w, z); err != nil {
		return err
	}
	if err := w.idle(z.settle); err != nil {
		return err
	}
	before, err1 := server.cpu()
	begin := time.Now()
	err2 := w.idle(z.settle / 2)
	after, err3 := server.cpu()
	full, err4 := server.resident()
	result.IdleCPUPerSecond = (after - before).Seconds() / time.Since(begin).Seconds()
	result.Bytes = float64(full)
	result.BytesPerConn = float64(full-empty) / float64(z.idle)
	return errors.Join(err1, err2, err3, err4)
}

// storm joins all connections and returns CPU seconds per 100,000, and joins a second.
func storm(server *process, w *swarm, z sizes) (cpu, perSecond float64, err error) {
	before, err := server.cpu()
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if err := w.join(z.idle, z.inFlight); err != nil {
		return 0, 0, err
	}
	wall := time.Since(begin)
	after, err := server.cpu()
	return (after - before).Seconds() / float64(z.idle) * 100_000, float64(z.idle) / wall.Seconds(), err
}

// withSwarm runs f with a swarm that spreads over the rooms, and closes it.
func withSwarm(server *process, s subject, rooms int, f func(*swarm) error) error {
	w, err := newSwarm(server.port, func(i int) string { return s.request(i, i%rooms) })
	if err != nil {
		return err
	}
	return errors.Join(f(w), w.close())
}

// room is one subject's server with a room full of members.
type room struct {
	server *process
	swarm  *swarm
}

func openRoom(s subject, z sizes) (r room, err error) {
	if r.server, err = s.start(); err != nil {
		return r, err
	}
	if err = s.prepare(r.server, 1); err == nil {
		r.swarm, err = newSwarm(r.server.port, func(i int) string { return s.request(i, 0) })
	}
	if err == nil {
		err = errors.Join(r.swarm.join(z.members, z.inFlight), r.swarm.idle(time.Second))
	}
	if err != nil {
		err = errors.Join(err, r.server.kill())
	}
	return r, err
}

func (r room) close() error { return errors.Join(r.swarm.close(), r.server.stop()) }

// measureRooms puts the rooms of both subjects under the load in turn, round
// by round, so that what disturbs the machine disturbs both, and returns the
// median round of each.
func measureRooms(a, b room, l load, rounds int) (ofA, ofB fanOut, err error) {
	var as, bs []fanOut
	for range rounds {
		x, err1 := l.run(a.swarm, a.server)
		y, err2 := l.run(b.swarm, b.server)
		if err := errors.Join(err1, err2); err != nil {
			return fanOut{}, fanOut{}, err
		}
		as, bs = append(as, x), append(bs, y)
	}
	return median(as), median(bs), nil
}

// median is the round in the middle by CPU per delivery.
func median(rounds []fanOut) fanOut {
	slices.SortFunc(rounds, func(x, y fanOut) int { return cmp.Compare(x.CPUPerMillion, y.CPUPerMillion) })
	return rounds[len(rounds)/2]
}
