package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// Account is a user who is logged in by name. Its method Token is the
// TokenSource of a Config: it refreshes the token before it expires and when it
// is refused, and logs in again when that does not help and there is a password.
type Account struct {
	base, password string
	http           *http.Client

	// turn is held by who gets a token: concurrent calls share the outcome.
	turn chan struct{}

	mu       sync.Mutex
	grant    wire.UserToken
	obtained time.Time
}

// SignUp makes a user. Without a password there is no logging in later.
func SignUp(ctx context.Context, url, name, password string) (*Account, error) {
	body := wire.SignUp{Name: name}
	if password != "" {
		body.Password = &password
	}
	a := newAccount(url, password)
	return a, a.obtain(ctx, "", "", body)
}

// Login takes up a user who has a password.
func Login(ctx context.Context, url, name, password string) (*Account, error) {
	a := newAccount(url, password)
	return a, a.obtain(ctx, "/login", "", wire.Login{Name: name, Password: password})
}

func newAccount(url, password string) *Account {
	return &Account{base: strings.TrimRight(url, "/"), password: password, http: http.DefaultClient, turn: make(chan struct{}, 1)}
}

// User is the user's name as the server has it.
func (a *Account) User() bw.Name {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.grant.Name
}

// Token gives a token that holds for a while and is not the rejected one. The
// error is of kind breakwater.Unauthorized, or bad_credentials as the same, when
// only a person can help.
func (a *Account) Token(ctx context.Context, rejected string) (string, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	token, holds, good := a.current()
	if token != rejected && good {
		return token, nil
	}
	err := a.renew(ctx)
	if err != nil && token != rejected && holds {
		return token, nil // it still holds; a refresh that fails is tried again next time
	}
	token, _, _ = a.current()
	return token, err
}

// current is the token, whether it still holds, and whether it does for long
// enough: a tenth of its life, or a minute if it lives that long.
func (a *Account) current() (token string, holds, good bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	life := a.grant.ExpiresAt.Time().Sub(a.obtained)
	left := time.Until(a.grant.ExpiresAt.Time())
	return a.grant.Token, left > 0, left > max(life/10, min(time.Minute, life/2))
}

// renew exchanges the token, or logs in.
func (a *Account) renew(ctx context.Context) error {
	token, _, _ := a.current()
	err := a.obtain(ctx, "/token", token, nil)
	if bw.KindOf(err) != bw.Unauthorized || a.password == "" {
		return err
	}
	err = a.obtain(ctx, "/login", "", wire.Login{Name: string(a.User()), Password: a.password})
	if bw.KindOf(err) == bw.BadCredentials {
		return &bw.Error{Kind: bw.Unauthorized, Detail: "the password is wrong", Err: err}
	}
	return err
}

func (a *Account) obtain(ctx context.Context, path, token string, body any) error {
	const users = "/v1/chatrooms/users"
	var grant wire.UserToken
	if err := a.post(ctx, users+path, token, body, &grant); err != nil {
		return fmt.Errorf("getting a token: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grant, a.obtained = grant, time.Now()
	return nil
}

// post makes a request; a refusal is a *breakwater.Error.
func (a *Account) post(ctx context.Context, path, token string, body, into any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+path, payload)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		problem, _ := problemOf(response)
		if problem.Kind == "" {
			return errors.New("the server answered " + response.Status)
		}
		return problem
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
