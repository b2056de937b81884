//go:build !unix

package app

// lockFolder does nothing where there is no flock.
func lockFolder(string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
