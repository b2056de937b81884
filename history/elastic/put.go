package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// What one bulk request carries at most.
const (
	bulkMessages = 1000
	bulkBytes    = 5 << 20
)

// Put implements history.Index. What returns without an error is on disk at
// every copy of its shard that is in sync.
func (h *History) Put(ctx context.Context, batch []bw.Message) []error {
	errs := make([]error, len(batch))
	err := h.checkSchema(ctx)
	for from := 0; from < len(batch); {
		to := from + cut(batch[from:])
		if err == nil {
			err = h.bulk(ctx, batch[from:to], errs[from:to])
		}
		if err != nil { // nor will it take the rest now
			fill(errs[from:to], fmt.Errorf("put messages: %w", err))
		}
		from = to
	}
	h.metrics.count(errs)
	return errs
}

// cut returns how many of the messages, at least one, go into one request.
func cut(batch []bw.Message) int {
	bytes := 0
	for i := range batch {
		bytes += 2*len(batch[i].Text) + 300 // the text, its words, and what is around them
		if i > 0 && (i == bulkMessages || bytes > bulkBytes) {
			return i
		}
	}
	return len(batch)
}

func fill(errs []error, err error) {
	for i := range errs {
		errs[i] = err
	}
}

// bulk creates the documents and tells about each. The error is that of all.
func (h *History) bulk(ctx context.Context, batch []bw.Message, errs []error) error {
	status, answer, err := h.client.Call(ctx, http.MethodPost,
		"/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason", h.bulkBody(batch))
	switch {
	case err != nil:
		return err
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		// One of them is not understood at all. The others are not to suffer.
		if half := len(batch) / 2; half > 0 {
			if err := h.bulk(ctx, batch[:half], errs[:half]); err != nil {
				return err
			}
			return h.bulk(ctx, batch[half:], errs[half:])
		}
		errs[0] = rejected(string(answer))
		return nil
	case status != http.StatusOK:
		return &statusError{status, string(answer)}
	}
	var result struct {
		Items []struct{ Create outcome }
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("read what became of the messages: %w", err)
	}
	if len(result.Items) != len(batch) {
		return fmt.Errorf("got the outcome of %d messages, want that of %d", len(result.Items), len(batch))
	}
	var taken []int
	for i, item := range result.Items {
		if ablation.Off(ablation.BulkItems) {
			break
		}
		if item.Create.Status == http.StatusConflict {
			taken = append(taken, i)
			continue
		}
		errs[i] = item.Create.err()
	}
	h.compare(ctx, batch, taken, errs)
	return nil
}

func (h *History) bulkBody(batch []bw.Message) []byte {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for i := range batch {
		m := &batch[i]
		fmt.Fprintf(&b, `{"create":{"_index":%q,"_id":%q}}`+"\n", h.month(m), name(m))
		_ = lines.Encode(documentOf(m)) // writing to memory, of a type that can be encoded
	}
	return b.Bytes()
}

// outcome is what became of one message.
type outcome struct {
	Status int
	Error  struct{ Type, Reason string }
}

// err tells what the outcome means. That a document cannot be parsed is the
// message's own fault; all else that is wrong, such as a closed index, a full
// disk or too many shards, which have the same status, passes.
func (o outcome) err() error {
	switch {
	case o.Status == http.StatusCreated:
		return nil
	case o.Status == http.StatusBadRequest && o.Error.Type == "document_parsing_exception":
		return rejected(o.Error.Reason)
	}
	return &statusError{o.Status, o.Error.Type + ": " + o.Error.Reason}
}

// rejected tells the reason, cut short as it may repeat the whole message.
func rejected(reason string) error { return fmt.Errorf("%w: %.300s", history.ErrRejected, reason) }

// compare looks at the documents whose names were taken: the same message has
// been stored before, another one has no place any more.
func (h *History) compare(ctx context.Context, batch []bw.Message, taken []int, errs []error) {
	if len(taken) == 0 {
		return
	}
	there, err := h.lookUp(ctx, batch, taken)
	for n, i := range taken {
		switch {
		case err != nil:
			errs[i] = fmt.Errorf("compare with the message that is there: %w", err)
		case !there[n].Found:
			errs[i] = fmt.Errorf("message %s was there and is gone", name(&batch[i]))
		case there[n].Source.message() != batch[i]:
			errs[i] = rejected("another message is stored as " + name(&batch[i]))
		}
	}
}

// stored is what is stored under a name.
type stored struct {
	Found  bool
	Source document `json:"_source"`
}

// lookUp reads what is stored under the names of some of the messages. That needs no refresh.
func (h *History) lookUp(ctx context.Context, batch []bw.Message, which []int) ([]stored, error) {
	var names []object
	for _, i := range which {
		names = append(names, object{"_index": h.month(&batch[i]), "_id": name(&batch[i])})
	}
	body, err := json.Marshal(object{"docs": names})
	if err != nil {
		return nil, err
	}
	status, answer, err := h.client.Call(ctx, http.MethodPost, "/_mget?filter_path=docs.found,docs._source", body)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, &statusError{status, string(answer)}
	}
	var result struct{ Docs []stored }
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, fmt.Errorf("read what is stored: %w", err)
	}
	if len(result.Docs) != len(which) {
		return nil, fmt.Errorf("got %d documents, want %d", len(result.Docs), len(which))
	}
	return result.Docs, nil
}
