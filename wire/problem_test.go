package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

type problem struct {
	Type, Title, Detail string
	Status              int
	Code                bw.Kind
}

func problemOf(t *testing.T, err error) (problem, time.Duration) {
	t.Helper()
	status, retryAfter, body := wire.ProblemOf(err)
	var p problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("got %s, want JSON: %v", body, err)
	}
	if p.Status != status {
		t.Errorf("got the status %d in the document of a %d", p.Status, status)
	}
	return p, retryAfter
}

func TestEveryKindHasAProblem(t *testing.T) {
	for _, kind := range kinds(t) {
		if _, ok := wire.StatusOf(kind); !ok {
			t.Errorf("%s is not in the table of kinds", kind)
			continue
		}
		p, _ := problemOf(t, &bw.Error{Kind: kind})
		if p.Code != kind || p.Type != "about:blank" || p.Title == "" || p.Detail == "" || p.Status < 400 {
			t.Errorf("%s: got %+v, want its code, a title and a detail", kind, p)
		}
	}
}

func TestStatusesOfTheContract(t *testing.T) {
	for kind, want := range map[bw.Kind]int{
		bw.InvalidName: 400, bw.WeakPassword: 400, bw.BadQuery: 400, bw.UnknownField: 400, bw.TextTooLong: 400, bw.EmptyText: 400,
		bw.BadCredentials: 401, bw.Unauthorized: 401, bw.NotYourName: 403, bw.NoSuchRoom: 404, bw.NameTaken: 409,
		bw.IDConflict: 409, bw.UpgradeRequired: 426, bw.RateLimited: 429, bw.Unavailable: 503, bw.Overloaded: 503,
		bw.MethodNotAllowed: 405, bw.BodyTooLarge: 413, bw.Internal: 500,
	} {
		if got, _ := wire.StatusOf(kind); got != want {
			t.Errorf("%s: got %d, want %d", kind, got, want)
		}
	}
	if _, ok := wire.StatusOf("no_such_kind"); ok {
		t.Error("got a status for a kind that does not exist")
	}
}

func TestProblemsKeepSecrets(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7: password=hunter2")
	for _, row := range []struct {
		name string
		err  error
		code bw.Kind
	}{
		{"an error without a kind", secret, bw.Internal},
		{"an internal one with a detail", &bw.Error{Kind: bw.Internal, Detail: "hunter2", Err: secret}, bw.Internal},
		{"a kind that the table does not know", &bw.Error{Kind: "hunter2", Detail: "hunter2"}, bw.Internal},
		{"a dependency's failure", fmt.Errorf("hunter2: %w", bw.Unavailablef(secret, "The log does not answer.")), bw.Unavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, body := wire.ProblemOf(row.err)
			frame := wire.AppendError(nil, "a", row.err)
			for _, told := range []string{string(body), string(frame)} {
				if strings.Contains(told, "hunter2") {
					t.Errorf("got %s, which tells a secret", told)
				}
				if want := fmt.Sprintf(`"code":%q`, row.code); !strings.Contains(told, want) {
					t.Errorf("got %s, want %s", told, want)
				}
			}
			if got := wire.Code(row.err); got != row.code {
				t.Errorf("got the code %s, want %s", got, row.code)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, row := range []struct {
		name     string
		err      *bw.Error
		min, max time.Duration // both 0: there is none
	}{
		{"by default", &bw.Error{Kind: bw.Unavailable}, time.Second, 4 * time.Second},
		{"shorter than a second", &bw.Error{Kind: bw.RateLimited, RetryAfter: 20 * time.Millisecond}, time.Second, 4 * time.Second},
		{"as the error says, or later", &bw.Error{Kind: bw.Overloaded, RetryAfter: 7500 * time.Millisecond}, 8 * time.Second, 12 * time.Second},
		{"a long one", &bw.Error{Kind: bw.Draining, RetryAfter: time.Minute}, time.Minute, 90 * time.Second},
		{"a negative one", &bw.Error{Kind: bw.Unavailable, RetryAfter: -time.Hour}, time.Second, 4 * time.Second},
		{"what does not pass by itself", &bw.Error{Kind: bw.NameTaken, RetryAfter: time.Second}, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for range 200 {
				_, got, _ := wire.ProblemOf(row.err)
				if got < row.min || got > row.max || got%time.Second != 0 {
					t.Fatalf("got %v, want whole seconds from %v to %v", got, row.min, row.max)
				}
				seen[got] = true
			}
			if row.max > 0 && len(seen) < 2 {
				t.Errorf("got always the same %v, want jitter", seen)
			}
		})
	}
}

func TestErrorFramesSayWhenToTryAgain(t *testing.T) {
	type frame struct {
		RetryAfter *int64 `json:"retry_after_ms"`
	}
	for _, row := range []struct {
		err      *bw.Error
		min, max int64
	}{
		{&bw.Error{Kind: bw.RateLimited, RetryAfter: 20 * time.Millisecond}, 20, 120},
		{&bw.Error{Kind: bw.Unavailable}, 1000, 1500},
		{&bw.Error{Kind: bw.Overloaded, RetryAfter: 10 * time.Second}, 10_000, 15_000},
	} {
		var got frame
		if err := json.Unmarshal(wire.AppendError(nil, "a", row.err), &got); err != nil {
			t.Fatal(err)
		}
		if got.RetryAfter == nil || *got.RetryAfter < row.min || *got.RetryAfter > row.max {
			t.Errorf("%s: got %v, want %d to %d", row.err.Kind, got.RetryAfter, row.min, row.max)
		}
	}
	var got frame
	if err := json.Unmarshal(wire.AppendError(nil, "a", &bw.Error{Kind: bw.EmptyText}), &got); err != nil || got.RetryAfter != nil {
		t.Errorf("empty_text: got retry_after_ms %v (%v), want none", got.RetryAfter, err)
	}
}

// What is no better on another server has a status for which proxies ask none.
func TestProblemThatIsNoBetterElsewhere(t *testing.T) {
	p, retryAfter := problemOf(t, &bw.Error{Kind: bw.Overloaded, Stay: true})
	if p.Status != 429 || p.Code != bw.Overloaded || retryAfter < time.Second {
		t.Errorf("got %+v with Retry-After %v, want 429 overloaded and a time to wait", p, retryAfter)
	}
}

func TestSendID(t *testing.T) {
	for _, row := range []struct{ payload, want string }{
		{`{"type":"send","id":"m-17","text":"x"}`, "m-17"},
		{`{"type":"send","id":"m-17"`, "m-17"},
		{`{"type":"send","id":"` + strings.Repeat("x", 64) + `"}`, strings.Repeat("x", 64)},
		{`{"type":"send","id":"` + strings.Repeat("x", 65) + `"}`, ""},
		{`{"type":"send","id":""}`, ""},
		{`{"type":"send","id":"a\"b"}`, ""},
		{`{"type":"send","id":"é"}`, ""},
		{`{"type":"send","id":"m`, ""},
		{`{"type":"send","id":`, ""},
		{`{"type":"typing"}`, ""},
		{``, ""},
	} {
		if got, ok := wire.SendID([]byte(row.payload)); got != row.want || ok != (row.want != "") {
			t.Errorf("%s: got %q, %t; want %q", row.payload, got, ok, row.want)
		}
	}
}
