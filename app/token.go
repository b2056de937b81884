package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/breakwater-chat/breakwater/server/auth"
	"github.com/breakwater-chat/breakwater/wire"
)

// tokenFlags are the flags of token.
type tokenFlags struct {
	dataFlags `embed:""`

	TokenKey string        `help:"Key to sign with, as serve has it. The data folder's if not given." type:"path" placeholder:"FILE"`
	TokenTTL time.Duration `help:"How long a token is valid." default:"24h"`
	Names    []string      `arg:"" name:"name" help:"Names to sign for; - reads them from standard input, one a line."`
}

// Validate is called by kong; the flag is named in what it returns.
func (f *tokenFlags) Validate() error {
	if f.TokenTTL < time.Second {
		return errors.New("--token-ttl must be at least one second")
	}
	return nil
}

// printTokens writes one NAME<TAB>TOKEN a line.
func printTokens(f tokenFlags, in io.Reader, out io.Writer) error {
	path := f.TokenKey
	if path == "" {
		path = filepath.Join(f.Data, tokenKeyFile)
	}
	key, err := auth.LoadKey(path)
	if err != nil {
		return &usageError{"--token-key", err}
	}
	w := bufio.NewWriter(out)
	one := func(text string) error {
		name, err := wire.ParseName(text)
		if err != nil {
			return &usageError{fmt.Sprintf("name %q", text), err}
		}
		token, _, err := key.Sign(name, time.Now(), f.TokenTTL)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\t%s\n", name, token)
		return err
	}
	for _, name := range f.Names {
		if name == "-" {
			err = eachLine(in, one)
		} else {
			err = one(name)
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

func eachLine(in io.Reader, do func(string) error) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if err := do(lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	return nil
}
