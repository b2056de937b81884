package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// servers looks at what the processes under load use.
type servers struct {
	pids    []int
	metrics []string // URLs of /metrics
	http    *http.Client
	record  *report.Recorder

	mu     sync.Mutex
	loaded bool
	last   used      // at the last look
	looked time.Time // when that was
	spent  time.Duration
}

func newServers(env *Env, trust Trust, record *report.Recorder) *servers {
	return &servers{pids: env.ServerPIDs, metrics: env.Metrics, record: record, http: &http.Client{
		Timeout: 2 * time.Second, Transport: &http.Transport{IdleConnTimeout: 30 * time.Second, TLSClientConfig: trust.config()},
	}}
}

// watch looks once a second until ctx ends. A look that fails is left out: servers under
// load may be killed on purpose.
func (s *servers) watch(ctx context.Context) {
	defer s.http.CloseIdleConnections()
	if len(s.pids)+len(s.metrics) == 0 {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.look(ctx)
		}
	}
}

// under begins or ends the time in which CPU counts.
func (s *servers) under(ctx context.Context, load bool) {
	s.look(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = load
}

func (s *servers) look(ctx context.Context) {
	now, err := s.usage(ctx)
	if err != nil || len(s.pids)+len(s.metrics) == 0 {
		return
	}
	s.mu.Lock()
	spent, passed, first := max(0, now.cpu-s.last.cpu), time.Since(s.looked), s.looked.IsZero() // less is a server that began anew
	s.last, s.looked = now, time.Now()
	if s.loaded {
		s.spent += spent
	}
	s.mu.Unlock()
	s.record.Gauge(serverMemory, now.memory)
	if !first {
		s.record.Gauge(serverCPU, share(spent, passed))
	}
}

// used is the CPU time under load, and the memory at the last look.
func (s *servers) used() used {
	s.mu.Lock()
	defer s.mu.Unlock()
	return used{cpu: s.spent, memory: s.last.memory}
}

// usage adds up all servers.
func (s *servers) usage(ctx context.Context) (sum used, err error) {
	var errs []error
	for _, pid := range s.pids {
		u, err := processUsage(pid)
		errs = append(errs, err)
		sum.cpu, sum.memory = sum.cpu+u.cpu, sum.memory+u.memory
	}
	for _, url := range s.metrics {
		u, err := s.scrape(ctx, url)
		errs = append(errs, err)
		sum.cpu, sum.memory = sum.cpu+u.cpu, sum.memory+u.memory
	}
	return sum, errors.Join(errs...)
}

// scrape reads the two metrics that every Go process has.
func (s *servers) scrape(ctx context.Context, url string) (u used, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return used{}, fmt.Errorf("reading metrics: %w", err)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return used{}, fmt.Errorf("reading metrics: %w", err)
	}
	defer response.Body.Close()
	found := 0
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil:
		case name == "process_cpu_seconds_total":
			u.cpu, found = time.Duration(value*float64(time.Second)), found+1
		case name == "process_resident_memory_bytes":
			u.memory, found = value, found+1
		}
	}
	if found != 2 {
		return used{}, fmt.Errorf("reading metrics: %s has no process_cpu_seconds_total and process_resident_memory_bytes", url)
	}
	return u, nil
}
