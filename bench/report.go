//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
)

// report is everything that a run measured.
type report struct {
	CPUs    int    `json:"cpus"`
	Kernel  string `json:"kernel"`
	Figures []line `json:"figures"`
}

// line is one figure of the server beside the reference's.
type line struct {
	What  string  `json:"what"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Floor float64 `json:"floor"`
	Ratio float64 `json:"ratio,omitempty"`
	// Expected is the most that the figure should be; 0 expects nothing.
	Expected float64 `json:"expected,omitempty"`
}

func newReport() *report {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	return &report{CPUs: runtime.NumCPU(), Kernel: strings.TrimSpace(string(kernel))}
}

func (r *report) add(what, unit string, value, floor, expected float64) {
	l := line{What: what, Unit: unit, Value: value, Floor: floor, Expected: expected}
	if floor > 0 {
		l.Ratio = value / floor
	}
	r.Figures = append(r.Figures, l)
}

func (r *report) addCrowd(z sizes, server, floor crowd) {
	connections := fmt.Sprintf("%d idle connections in %d rooms", z.idle, z.idleRooms)
	r.add(connections+": resident memory a connection", "KiB", server.BytesPerConn/1024, floor.BytesPerConn/1024, 1.5)
	r.add(connections+": resident memory of the process", "MiB", server.Bytes/(1<<20), floor.Bytes/(1<<20), 0)
	r.add(connections+": CPU while idle", "CPU s/s", server.IdleCPUPerSecond, floor.IdleCPUPerSecond, 0)
	r.add("handshakes and joins of known users", "CPU s/100k", server.Storm, floor.Storm, 0)
	r.add("handshakes and joins of new users", "CPU s/100k", server.FirstStorm, floor.FirstStorm, 0)
	r.add("joins, client on the same machine", "1/s", server.StormPerSecond, floor.StormPerSecond, 0)
}

func (r *report) addFanOut(what string, server, floor fanOut, expectedCPU float64) {
	r.add(what+": CPU", "CPU s/M deliveries", server.CPUPerMillion, floor.CPUPerMillion, expectedCPU)
	r.add(what+": deliveries", "1/s", server.DeliveriesPerSecond, floor.DeliveriesPerSecond, 0)
	r.add(what+": send to delivery, p50", "ms", server.P50Milliseconds, floor.P50Milliseconds, 0)
	r.add(what+": send to delivery, p99", "ms", server.P99Milliseconds, floor.P99Milliseconds, 0)
}

func (r *report) table(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\tserver\tfloor\tratio\texpected\t unit\t")
	for _, l := range r.Figures {
		ratio, expected := "", ""
		if l.Ratio > 0 {
			ratio = figure(l.Ratio) + "x"
		}
		if l.Expected > 0 {
			expected = "<= " + figure(l.Expected)
			if l.Value > l.Expected {
				expected = "OVER " + figure(l.Expected)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t %s\t\n", l.What, figure(l.Value), figure(l.Floor), ratio, expected, l.Unit)
	}
	return w.Flush()
}

// figure shows three significant digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func (r *report) save(name string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return os.WriteFile(name, append(content, '\n'), 0o644)
}

// over lists the figures that are above what is expected.
func (r *report) over() (lines []string) {
	for _, l := range r.Figures {
		if l.Expected > 0 && l.Value > l.Expected {
			lines = append(lines, fmt.Sprintf("%s: got %s %s, want at most %s", l.What, figure(l.Value), l.Unit, figure(l.Expected)))
		}
	}
	return lines
}
