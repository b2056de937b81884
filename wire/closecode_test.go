package wire_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/breakwater-chat/breakwater/wire"
)

// closeCodes are all close codes that the package has, by their names in Go.
func closeCodes(t *testing.T) map[string]wire.CloseCode {
	t.Helper()
	codes := map[string]wire.CloseCode{}
	for name, text := range constants(t, "closecode.go", "CloseCode") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
		codes[name] = wire.CloseCode(n)
	}
	return codes
}

func TestEveryCloseCodeHasAReasonOfItsOwn(t *testing.T) {
	stable := regexp.MustCompile(`^[a-z][a-z0-9_]+$`)
	seen := map[string]string{}
	for name, code := range closeCodes(t) {
		reason := code.String()
		if !stable.MatchString(reason) || reason == "close_"+strconv.Itoa(int(code)) {
			t.Errorf("%s: got the reason %q, want a word of its own", name, reason)
		}
		if other, ok := seen[reason]; ok {
			t.Errorf("%s and %s: got the same reason %q", name, other, reason)
		}
		seen[reason] = name
	}
}

func TestReasonsOfTheContract(t *testing.T) {
	for code, want := range map[wire.CloseCode]string{
		4000: "protocol_error", 4001: "unauthorized", 4002: "token_expired", 4003: "frame_too_big", 4004: "room_deleted",
		4100: "slow_consumer", 4101: "overloaded", 4102: "rate_limited",
		4200: "draining", 4201: "fenced", 4202: "resync",
		4999: "close_4999",
	} {
		if got := code.String(); got != want {
			t.Errorf("%d: got %q, want %q", code, got, want)
		}
	}
}

// RFC 6455, section 7.4: which codes may stand in a close frame.
func TestSendableCloseCodes(t *testing.T) {
	for code, want := range map[wire.CloseCode]bool{
		0: false, 999: false, 1000: true, 1003: true, 1004: false, 1005: false, 1006: false, 1007: true, 1011: true,
		1014: true, 1015: false, 1016: false, 2999: false, 3000: true, 4999: true, 5000: false, 65535: false,
	} {
		if got := code.Sendable(); got != want {
			t.Errorf("%d: got %t, want %t", code, got, want)
		}
	}
}
