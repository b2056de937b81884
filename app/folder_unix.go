//go:build unix

package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder makes sure that no other server works on a data folder: two would
// each take the other's connections for dead and its log for lost. The lock ends
// with the process, however it ends.
func lockFolder(data string) (unlock func() error, err error) {
	if err := os.MkdirAll(data, 0o750); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another server works on %s", data)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
