package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
)

const (
	// maxAnswer bounds an answer that is read into memory. The largest that is
	// asked for, a page of 500 of the longest messages, is below half of it.
	maxAnswer = 32 << 20
	// callTimeout bounds a call whose context has no earlier deadline.
	callTimeout = 30 * time.Second
	// retries is how often the driver tries again, at another node if there is
	// one: calls that got no answer, and those answered with 502, 503 or 504, as
	// they are while a node restarts or a month's first index is made.
	retries = 3
)

// client calls the cluster.
type client struct {
	driver    *elasticsearch.BaseClient
	transport *http.Transport
}

func newClient(cfg Config) (*client, error) {
	addresses, err := cfg.addresses()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: cfg.MaxPages + cfg.MaxSearches,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // the network is near, the processors are busy
	}
	driver, err := elasticsearch.NewBaseClient(elasticsearch.Config{
		Addresses:         addresses,
		Transport:         transport,
		DisableMetaHeader: true,
		MaxRetries:        retries,
		RetryBackoff:      func(attempt int) time.Duration { return time.Duration(attempt) * 50 * time.Millisecond },
		RetryOnError: func(r *http.Request, _ error) bool {
			return r.Context().Err() == nil
		},
	})
	if err != nil {
		return nil, errors.New("the driver does not take the addresses of Elasticsearch") // its error repeats them
	}
	return &client{driver, transport}, nil
}

func (c *client) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := c.driver.Close(ctx)
	c.transport.CloseIdleConnections()
	return err
}

// Call implements migrations.Elasticsearch.
func (c *client) Call(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make the request: %w", err)
	}
	if len(body) > 0 {
		// What is said of lines holds for a single one, too.
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	response, err := c.driver.Perform(request)
	if err != nil {
		return 0, nil, fmt.Errorf("call Elasticsearch: %w", err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer of Elasticsearch: %w", err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, fmt.Errorf("the answer of Elasticsearch is longer than %d bytes", maxAnswer)
	}
	return response.StatusCode, answer, nil
}
