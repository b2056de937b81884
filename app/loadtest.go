package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/report"
	"github.com/breakwater-chat/breakwater/loadtest/scenario"
)

// ExitExpectation is the exit status of a run that went to its end and was not as it was
// expected to be.
const ExitExpectation = 3

// loadtest does a load test.
func loadtest(f loadtestFlags, args []string, version string, out, errOut io.Writer) error {
	if err := f.validScenario(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends the process
	descriptors, err := raiseDescriptors()
	if err != nil {
		return err
	}
	secret, err := f.secret()
	if err != nil {
		return err
	}
	tell := func(text string) { fmt.Fprintln(errOut, text) }
	if f.Worker {
		return work(ctx, scenario.WorkerConfig{
			Listen: f.Listen, Secret: secret, Descriptors: descriptors, Tell: tell,
			Listening: func(address string) { fmt.Fprintln(out, "listening on", address) },
		})
	}
	plan, err := f.plan()
	if err != nil {
		return err
	}
	expectations, err := f.expectations()
	if err != nil {
		return err
	}
	env := scenario.Env{
		Descriptors: descriptors, ServerPIDs: f.ServerPID, Metrics: f.Metrics, Workers: f.Workers, Secret: secret,
		Tell:  tell,
		Watch: func(r *report.Recorder) func() { return show(r, f, errOut) },
	}
	if err := f.people(&plan, &env); err != nil {
		return err
	}
	result, err := scenario.Run(ctx, plan, env)
	result.Command, result.Version = append([]string{"breakwater"}, args...), version
	result.Checks = report.Judge(result, expectations)
	if warning := scenario.Warning(result); warning != "" {
		tell("warning: " + warning)
	}
	return f.conclude(result, err, out)
}

// work is a worker until it is told to stop.
func work(ctx context.Context, cfg scenario.WorkerConfig) error {
	err := scenario.Work(ctx, cfg)
	if errors.Is(err, scenario.ErrNoSecret) {
		return &usageError{"--worker-secret", err}
	}
	if err != nil {
		return &usageError{"--listen", err}
	}
	return nil
}

// show shows the run on the terminal, or in a file of lines, until the function that it
// returns is called.
func show(r *report.Recorder, f loadtestFlags, errOut io.Writer) (stop func()) {
	file, ok := errOut.(*os.File)
	if !ok {
		return func() {}
	}
	progress := report.NewProgress(file, "loadtest "+f.Scenario, f.Duration, noColor())
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				progress.Show(r.Snapshot())
			case <-ended:
				return
			}
		}
	})
	return func() {
		close(ended)
		running.Wait()
	}
}

// noColor is the convention of that variable.
func noColor() bool { return os.Getenv("NO_COLOR") != "" }

// secret reads what workers know runs by; nil if there is none.
func (f *loadtestFlags) secret() ([]byte, error) {
	if f.WorkerSecret == "" {
		return nil, nil
	}
	secret, err := os.ReadFile(f.WorkerSecret)
	if secret = []byte(strings.TrimSpace(string(secret))); err == nil && len(secret) < 16 {
		err = errors.New("a secret has at least 16 bytes")
	}
	if err != nil {
		return nil, &usageError{"--worker-secret", err}
	}
	return secret, nil
}

// expectations are those of the user, and the promises of the contract.
func (f *loadtestFlags) expectations() ([]report.Expectation, error) {
	asked, err := report.ParseExpectations(f.Expect, scenario.Prototypes())
	if err != nil {
		return nil, &usageError{"--expect", err}
	}
	promised, err := report.ParseExpectations(scenario.Promises, scenario.Prototypes())
	if err != nil {
		return nil, err
	}
	for _, p := range promised {
		if !slices.ContainsFunc(asked, func(e report.Expectation) bool { return e.Name == p.Name }) {
			asked = append(asked, p)
		}
	}
	return asked, nil
}

// conclude writes the result; the error says what was wrong with the run.
func (f *loadtestFlags) conclude(result *report.Report, err error, out io.Writer) error {
	if file, ok := out.(*os.File); ok {
		report.NewProgress(file, result.Title, 0, noColor()).Finish(result)
	}
	if f.JSON != "" {
		err = errors.Join(err, report.WriteJSON(f.JSON, result))
	}
	if f.HTML != "" {
		err = errors.Join(err, report.WriteHTML(f.HTML, result))
	}
	if err != nil {
		return err
	}
	var unmet []string
	for _, check := range result.Checks {
		if !check.OK {
			unmet = append(unmet, check.Detail)
		}
	}
	if len(unmet) > 0 {
		return &unmetError{unmet}
	}
	return nil
}

// unmetError is a run that was not as it was expected to be.
type unmetError struct{ details []string }

func (e *unmetError) Error() string { return "not as expected: " + strings.Join(e.details, "; ") }
