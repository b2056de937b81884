package stand

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Text reads what is at a URL.
func Text(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: got status %d", url, response.StatusCode)
	}
	return string(text), err
}

// Answer is what HTTP says beside a body.
type Answer struct {
	StatusCode int
	Header     http.Header
}

// Call asks for JSON by HTTP. The token may be empty; body and into may be nil. A status
// of 300 or more is an error; what else was answered is there with it.
func Call(ctx context.Context, method, url, token string, body, into any) (*Answer, error) {
	var sent io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	got := &Answer{response.StatusCode, response.Header}
	if got.StatusCode >= http.StatusMultipleChoices {
		return got, fmt.Errorf("%s %s: got status %d with %s", method, strings.Split(url, "?")[0], response.StatusCode, answer)
	}
	if into != nil {
		err = json.Unmarshal(answer, into)
	}
	return got, err
}
