package scenario

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// callTimeout bounds one request.
const callTimeout = 15 * time.Second

// api is a server's HTTP side.
type api struct {
	base string
	http *http.Client
}

func newAPI(base string, trust Trust) *api {
	return &api{base: strings.TrimRight(base, "/"), http: &http.Client{
		Timeout:   callTimeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: readers, IdleConnTimeout: 30 * time.Second, TLSClientConfig: trust.config()},
	}}
}

func (a *api) close() { a.http.CloseIdleConnections() }

// call asks for JSON. Token, body and into may be zero. A refusal is a *breakwater.Error.
func (a *api) call(ctx context.Context, method, path, token string, body, into any) error {
	var sent io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a request: %w", err)
		}
		sent = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, sent)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return unreached(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		problem := wire.ParseProblem(answer)
		problem.Kind = bw.Kind(cmp.Or(string(problem.Kind), "http_"+strconv.Itoa(response.StatusCode)))
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0 if there is none
		problem.RetryAfter = time.Duration(max(seconds, 0)) * time.Second
		return problem
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// insistence is how often a call is made that the server has put off.
const insistence = 20

// insist calls again when the server has said when.
func (a *api) insist(ctx context.Context, method, path, token string, body, into any) error {
	for try := 1; ; try++ {
		err := a.call(ctx, method, path, token, body, into)
		var problem *bw.Error
		if !errors.As(err, &problem) || problem.RetryAfter == 0 || try == insistence {
			return err
		}
		timer := time.NewTimer(problem.RetryAfter + time.Duration(rand.Int64N(int64(time.Second))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ErrInterrupted, err)
		}
	}
}

// codeOf names a failure in a word.
func codeOf(err error) string {
	var problem *bw.Error
	if errors.As(err, &problem) {
		return string(problem.Kind)
	}
	return "network"
}
