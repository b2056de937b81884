package scenario

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Gauges of what the processes use: CPU of one core, memory in bytes.
const (
	generatorCPU    = "generator CPU"
	serverCPU       = "server CPU"
	generatorMemory = "generator memory"
	serverMemory    = "server memory"
)

// used is what a process has used so far: CPU time, and memory now, in bytes.
type used struct {
	cpu    time.Duration
	memory float64
}

// clockTick is the unit of CPU times in /proc: USER_HZ, 100 on every Linux.
const clockTick = 10 * time.Millisecond

// processUsage reads /proc of a process of this host.
func processUsage(pid int) (used, error) {
	folder := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return used{}, fmt.Errorf("reading the usage of process %d: %w", pid, err)
	}
	// The command's name, in parentheses, may hold spaces: count behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return used{}, fmt.Errorf("reading the usage of process %d: %d fields", pid, len(fields))
	}
	var numbers [3]int64 // user and system time, resident pages
	for i, field := range []string{fields[11], fields[12], fields[21]} {
		if numbers[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			return used{}, fmt.Errorf("reading the usage of process %d: %w", pid, err)
		}
	}
	return used{
		cpu:    time.Duration(numbers[0]+numbers[1]) * clockTick,
		memory: float64(numbers[2]) * float64(os.Getpagesize()),
	}, nil
}

// share is how much of one core was used from one look to the next.
func share(spent, passed time.Duration) float64 {
	return spent.Seconds() / max(passed, time.Millisecond).Seconds()
}
