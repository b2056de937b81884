package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/drill"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// drillFlags are the flags of drill.
type drillFlags struct {
	Names []string `arg:"" optional:"" name:"name" help:"Drills to run, or all."`

	List bool     `help:"Show all drills, a line each."`
	Only []string `help:"Of all, only these." placeholder:"NAME"`
	Skip []string `help:"Leave these out." placeholder:"NAME"`

	Negative bool `help:"For each mechanism of the server, run its drill on servers without it, and want it to fail; --only and --skip name mechanisms. Needs a binary that was built with -tags ablation."`

	Seed uint64        `help:"Decides what is drawn: people, rooms, the faults of chaos. 0 picks one."`
	For  time.Duration `help:"How long chaos goes on." default:"30s"`
	Out  string        `help:"Folder for reports and histories." default:"drills" type:"path" placeholder:"DIR"`

	Binary        string `help:"Server to drill; this program if not given." type:"path" placeholder:"FILE"`
	Redis         string `help:"Redis that runs already, redis://HOST:PORT/DB. A container is started if not given." placeholder:"URL"`
	MySQL         string `name:"mysql" help:"MySQL that runs already, user:password@tcp(host:port)/db. A container is started if not given." placeholder:"DSN"`
	Elasticsearch string `help:"Elasticsearch that runs already, http://host:port. A container is started if not given." placeholder:"URL"`
}

// Validate is called by kong; the flag is named in what it returns.
func (f *drillFlags) Validate() error {
	if f.For <= 0 {
		return errors.New("--for must be positive")
	}
	return nil
}

// validChoice tells what is wrong with the choice of what to do.
func (f *drillFlags) validChoice() error {
	if f.List || f.Negative != (len(f.Names) > 0) {
		return nil
	}
	return &usageError{"drill", errors.New("want a drill or all, which --list shows, or --negative")}
}

// runDrills runs drills until they are done or a signal ends them.
func runDrills(f drillFlags, version string, out io.Writer) error {
	if err := f.validChoice(); err != nil {
		return err
	}
	if f.List {
		return drill.List(out)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	binary, err := binaryToDrill(f.Binary)
	if err != nil {
		return err
	}
	for f.Seed == 0 {
		f.Seed = uint64(rand.Uint32()) // short enough to be typed
	}
	play := drill.Play
	if f.Negative {
		play = drill.PlayNegative
	}
	err = play(ctx, &drill.Config{
		Names: f.Names, Only: f.Only, Skip: f.Skip, Seed: f.Seed, For: f.For, Out: f.Out, Version: version, Lines: out,
		Binary:   binary,
		Services: stand.Services{Redis: f.Redis, MySQL: f.MySQL, Elasticsearch: f.Elasticsearch},
	})
	var refusal drill.RefusalError
	if errors.As(err, &refusal) {
		return &usageError{"drill", err}
	}
	return err
}

// binaryToDrill is the server that is drilled: by default the program itself.
func binaryToDrill(given string) (string, error) {
	if given == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("finding this program: %w", err)
		}
		return self, nil
	}
	if _, err := os.Stat(given); err != nil {
		return "", &usageError{"--binary", err}
	}
	return filepath.Abs(given)
}
