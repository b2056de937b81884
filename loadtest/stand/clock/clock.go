// Package clock starts programs whose wall clock can be moved away from the machine's.
//
// Programs on Linux read the clock by a function of the vDSO, a page of code that the
// kernel maps into each process. In the one that is started it is replaced, before the
// program's first instruction, by one that asks the kernel and adds an offset to the wall
// clock: also a static binary reads that, and all its libraries do. The monotonic clock
// and all timers stay as they are, and so does every other process.
package clock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrUnsupported says that this machine's programs read the clock in a way that is not known here.
var ErrUnsupported = errors.New("moving the clock of a program needs linux/amd64")

// Clock is the wall clock of one process.
type Clock struct {
	memory *os.File // of the process
	offset int64    // where in it the offset is
}

// Set sets how far the wall clock is ahead of the machine's, in whole seconds; it is
// behind if that is negative. It jumps there at once, while the process is running.
func (c *Clock) Set(ahead time.Duration) error {
	seconds := binary.LittleEndian.AppendUint64(nil, uint64(int64(ahead/time.Second)))
	if _, err := c.memory.WriteAt(seconds, c.offset); err != nil {
		return fmt.Errorf("moving the clock of a process: %w", err)
	}
	return nil
}

// Close forgets a process that has ended.
func (c *Clock) Close() error { return c.memory.Close() }
