//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// What is expected of a machine with two cores of the usual kind.
const expectedCPUPerMillion = 0.3

func main() {
	var z sizes
	referenceOnly := flag.Bool("reference", false, "be the reference server (the benchmark starts itself so)")
	binary := flag.String("binary", "bin/breakwater", "the server's binary")
	out := flag.String("json", "bin/bench.json", "file for the figures as JSON; empty writes none")
	strict := flag.Bool("strict", false, "exit with 1 when a figure is above what is expected")
	flag.IntVar(&z.idle, "idle", 10_000, "idle connections; 0 leaves them and the storm out")
	flag.IntVar(&z.idleRooms, "idle-rooms", 100, "rooms that the idle connections are spread over")
	flag.IntVar(&z.inFlight, "in-flight", 128, "handshakes under way at a time")
	flag.DurationVar(&z.settle, "settle", 8*time.Second, "how long connections are idle before memory is read")
	flag.IntVar(&z.members, "members", 1_000, "members of the busy room; 0 leaves it out")
	flag.IntVar(&z.publishers, "publishers", 16, "members who send")
	flag.IntVar(&z.window, "window", 64, "messages on their way at saturation")
	flag.IntVar(&z.rate, "rate", 50, "messages a second in the room below saturation")
	flag.IntVar(&z.rounds, "rounds", 3, "rounds of each load, server and reference in turn")
	flag.DurationVar(&z.warm, "warm", 500*time.Millisecond, "what each round leaves out at its start")
	flag.DurationVar(&z.saturated, "saturated", 3*time.Second, "length of a saturated round")
	flag.DurationVar(&z.atRate, "at-rate", 4*time.Second, "length of a round at the rate")
	flag.Parse()
	if err := run(z, *referenceOnly, *binary, *out, *strict); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(z sizes, referenceOnly bool, binary, out string, strict bool) error {
	if referenceOnly {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		return serveReference(stop, os.Stdout)
	}
	// One thread has the whole load, so that the client's share stays one core.
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "breakwater-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	r, err := measure(z, binary, dir)
	if err != nil {
		return fmt.Errorf("%w (logs are in %s)", err, dir)
	}
	if err := errors.Join(os.RemoveAll(dir), r.table(os.Stdout)); err != nil {
		return err
	}
	if out != "" {
		if err := r.save(out); err != nil {
			return err
		}
	}
	if over := r.over(); strict && len(over) > 0 {
		return errors.New(strings.Join(over, "\n"))
	}
	return nil
}

func measure(z sizes, binary, dir string) (*report, error) {
	server, err := newBreakwater(binary, dir, max(z.idle, z.members))
	if err != nil {
		return nil, err
	}
	least := floor{dir: dir}
	r := newReport()
	if z.idle > 0 {
		ofFloor, err1 := measureCrowd(least, z)
		ofServer, err2 := measureCrowd(server, z)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("idle connections: %w", err)
		}
		r.addCrowd(z, ofServer, ofFloor)
	}
	if z.members > 0 {
		if err := measureFanOut(r, z, server, least); err != nil {
			return nil, fmt.Errorf("busy room: %w", err)
		}
	}
	return r, nil
}

func measureFanOut(r *report, z sizes, server, least subject) (err error) {
	a, err := openRoom(server, z)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	b, err := openRoom(least, z)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()

	saturate := load{publishers: z.publishers, window: z.window, warm: z.warm, measured: z.saturated}
	ofServer, ofFloor, err := measureRooms(a, b, saturate, z.rounds)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("room of %d, saturated (window %d)", z.members, z.window)
	r.addFanOut(what, ofServer, ofFloor, expectedCPUPerMillion)

	steady := load{publishers: z.publishers, rate: z.rate, warm: z.warm, measured: z.atRate}
	if ofServer, ofFloor, err = measureRooms(a, b, steady, z.rounds); err != nil {
		return err
	}
	r.addFanOut(fmt.Sprintf("room of %d, %d messages/s", z.members, z.rate), ofServer, ofFloor, 0)
	return nil
}
