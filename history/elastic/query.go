package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	bw "github.com/breakwater-chat/breakwater"
)

// object is a JSON object of Elasticsearch's query language.
type object = map[string]any

// found is the answer to one question.
type found struct {
	Status   int
	Error    json.RawMessage
	TimedOut bool `json:"timed_out"`
	Hits     struct {
		Total struct{ Value int }
		Hits  []struct {
			Source document `json:"_source"`
		}
	}
}

// messages are the messages that were found, in the order that was asked for.
func (f *found) messages() []bw.Message {
	var list []bw.Message
	for i := range f.Hits.Hits {
		list = append(list, f.Hits.Hits[i].Source.message())
	}
	return list
}

// ask asks a question about all months. It is answered in full or an error;
// months that do not exist yet have no messages.
func (h *History) ask(ctx context.Context, question object) (*found, error) {
	header := object{"index": h.cfg.Prefix, "ignore_unavailable": true, "allow_partial_search_results": false}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, line := range []object{header, question} {
		if err := lines.Encode(line); err != nil {
			return nil, fmt.Errorf("write the question: %w", err)
		}
	}
	status, answer, err := h.client.Call(ctx, http.MethodPost,
		"/_msearch?filter_path=responses.status,responses.error,responses.timed_out,responses.hits.total.value,responses.hits.hits._source", body.Bytes())
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, &statusError{status, string(answer)}
	}
	var answers struct{ Responses []found }
	if err := json.Unmarshal(answer, &answers); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(answers.Responses) != 1 {
		return nil, fmt.Errorf("got %d answers to one question", len(answers.Responses))
	}
	a := &answers.Responses[0]
	if a.Status != http.StatusOK || a.TimedOut {
		return nil, &statusError{a.Status, string(a.Error)}
	}
	return a, nil
}

// within is the condition that a field lies between two values, both inclusive.
func within(field string, from, to any) object {
	return object{"range": object{field: object{"gte": from, "lte": to}}}
}

func exactly(field string, value any) object { return object{"term": object{field: value}} }

// all is the query for what meets every condition. Nothing is scored.
func all(conditions ...object) object { return object{"bool": object{"filter": conditions}} }

// checkShards fails if a shard could not do what all were told to.
func checkShards(answer []byte) error {
	var told struct {
		Shards struct{ Failed int } `json:"_shards"`
	}
	if err := json.Unmarshal(answer, &told); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if told.Shards.Failed > 0 {
		return fmt.Errorf("%d shards failed", told.Shards.Failed)
	}
	return nil
}
