package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRawViolations breaks RFC 6455; each time the connection is failed with
// the code of section 7.4.1, and what had come before is answered.
func TestRawViolations(t *testing.T) {
	rows := rawFramingViolations()
	rows = append(rows, rawTextViolations()...)
	rows = append(rows, rawSizeViolations()...)
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				c := seat.join(t)
				c.write(rawTextFrame(rawAsk("before")), row.frames)
				c.answered("before")
				c.ended(row.code)
			})
		}
		t.Run("nothing behind is worked on", func(t *testing.T) {
			// Neither what is in the same segment nor what comes later, whatever it looks like.
			for _, row := range rows {
				c := seat.join(t)
				c.write(row.frames, rawTextFrame(rawSend("behind", "behind")), rawFrame(rawFin|rawPing, "behind"))
				c.write(rawFrame(rawFin|rawPing, "behind"), rawTextFrame(rawSend("later", "later")))
				c.ended(row.code)
			}
			if got := seat.texts(t); len(got) > 0 {
				t.Errorf("got %q stored, want nothing", got)
			}
		})
	})
}

type rawViolation struct {
	name   string
	code   int
	frames []byte
}

// rawFramingViolations are of sections 5.1 to 5.5.
func rawFramingViolations() (rows []rawViolation) {
	add := func(name string, frames ...[]byte) {
		rows = append(rows, rawViolation{name, 1002, slices.Concat(frames...)})
	}
	ask := rawAsk("violation")
	add("a text without a mask", append([]byte{rawFin | rawText, byte(len(ask))}, ask...))
	add("an empty text without a mask", []byte{rawFin | rawText, 0})
	add("a ping without a mask", []byte{rawFin | rawPing, 0})
	add("a close without a mask", []byte{rawFin | rawClose, 2, 3, 0xe8})
	add("a continuation without a mask", rawFrame(rawText, ask[:5]), append([]byte{rawFin | rawContinuation, byte(len(ask) - 5)}, ask[5:]...))
	for bit := range 3 {
		rsv := byte(0x40) >> bit
		add(fmt.Sprintf("RSV%d on a text", bit+1), rawFrame(rawFin|rsv|rawText, ask))
		add(fmt.Sprintf("RSV%d on a ping", bit+1), rawFrame(rawFin|rsv|rawPing, ""))
		add(fmt.Sprintf("RSV%d on a close", bit+1), rawFrame(rawFin|rsv|rawClose, "\x03\xe8"))
		add(fmt.Sprintf("RSV%d on a continuation", bit+1), rawFrame(rawText, ask[:5]), rawFrame(rawFin|rsv|rawContinuation, ask[5:]))
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		add(fmt.Sprintf("opcode %d", op), rawFrame(rawFin|op, ""))
		add(fmt.Sprintf("opcode %d with a payload", op), rawFrame(rawFin|op, ask))
		add(fmt.Sprintf("opcode %d between fragments", op), rawFrame(rawText, ask[:5]), rawFrame(rawFin|op, ""))
	}
	for _, op := range []byte{rawClose, rawPing, rawPong} {
		add(fmt.Sprintf("opcode %d of 126 bytes", op), rawFrame(rawFin|op, "\x03\xe8"+strings.Repeat("x", 124)))
		add(fmt.Sprintf("opcode %d of 64 KiB", op), rawFrame(rawFin|op, "\x03\xe8"+strings.Repeat("x", 64<<10)))
		add(fmt.Sprintf("opcode %d in fragments", op), rawFrame(op, "\x03\xe8"), rawFrame(rawFin|rawContinuation, ""))
		add(fmt.Sprintf("opcode %d with a length of 16 bits", op), rawHeader16(rawFin|op, 2), rawMaskedWith(rawMask, "\x03\xe8"))
	}
	add("a continuation of nothing", rawFrame(rawFin|rawContinuation, ask))
	add("an endless continuation of nothing", rawFrame(rawContinuation, ask))
	const unanswered = `{"type":"typing"}`
	add("a continuation of a whole message", rawTextFrame(unanswered), rawFrame(rawFin|rawContinuation, ask))
	add("a continuation behind the last fragment", append(rawFragments(unanswered, []int{5}), rawFrame(rawFin|rawContinuation, ask))...)
	add("a text between fragments", rawFrame(rawText, ask[:5]), rawTextFrame(ask))
	add("the beginning of a text between fragments", rawFrame(rawText, ask[:5]), rawFrame(rawText, ask[5:]))
	add("a binary frame between fragments", rawFrame(rawText, ask[:5]), rawFrame(rawFin|rawBinary, ask))
	for _, length := range []int{0, 1, 125} {
		add(fmt.Sprintf("%d bytes with a length of 16 bits", length), rawHeader16(rawFin|rawText, length), make([]byte, length))
	}
	for _, length := range []int{0, 125, 126, 0xffff} {
		add(fmt.Sprintf("%d bytes with a length of 64 bits", length), rawHeader64(rawFin|rawText, uint64(length)), make([]byte, length))
	}
	add("the highest bit of the length", rawHeader64(rawFin|rawText, 1<<63))
	add("the highest bit of a length that is short", rawHeader64(rawFin|rawText, 1<<63|5), make([]byte, 5))
	add("the highest bit of a length that is long", rawHeader64(rawFin|rawText, 1<<64-1))
	return rows
}

// rawTextViolations are of sections 5.6 and 8.1.
func rawTextViolations() (rows []rawViolation) {
	for _, row := range []struct{ name, bytes string }{
		{"a lone continuation byte", "\x80"},
		{"an ISO 8859-1 letter", "\xe9"},
		{"a byte that is in no UTF-8", "\xff"},
		{"a high surrogate", "\xed\xa0\x80"},
		{"a low surrogate", "\xed\xbf\xbf"},
		{"a surrogate pair", "\xed\xa0\xbd\xed\xb2\xac"},
		{"an overlong slash of two bytes", "\xc0\xaf"},
		{"an overlong slash of three bytes", "\xe0\x80\xaf"},
		{"an overlong slash of four bytes", "\xf0\x80\x80\xaf"},
		{"an overlong NUL", "\xc0\x80"},
		{"a code point beyond the last", "\xf4\x90\x80\x80"},
		{"a sequence of five bytes", "\xf8\x88\x80\x80\x80"},
		{"a character cut off", "\xf0\x9f\x92"},
	} {
		inside := rawSend("utf8", "x")
		inside = inside[:len(inside)-2] + row.bytes + `"}`
		behind := rawAsk("utf8") + row.bytes
		rows = append(rows,
			rawViolation{row.name + " alone", 1007, rawTextFrame(row.bytes)},
			rawViolation{row.name + " in a string", 1007, rawTextFrame(inside)},
			rawViolation{row.name + " at the very end", 1007, rawTextFrame(behind)},
			rawViolation{row.name + " in fragments", 1007, slices.Concat(rawFragments(inside, []int{3, len(inside) - 3})...)},
			rawViolation{row.name + " at the end of the last fragment", 1007, slices.Concat(rawFragments(behind, []int{3, len(behind) - 1})...)},
		)
	}
	return append(rows,
		rawViolation{"an empty binary frame", 1003, rawFrame(rawFin|rawBinary, "")},
		rawViolation{"a binary frame of JSON", 1003, rawFrame(rawFin|rawBinary, rawAsk("binary"))},
		rawViolation{"the beginning of a binary message", 1003, rawFrame(rawBinary, "x")},
	)
}

// rawSizeViolations are headers alone: they are refused without waiting for the
// payload.
func rawSizeViolations() (rows []rawViolation) {
	const half = rawMaxMessage / 2
	return []rawViolation{
		{"16 KiB and a byte", 1009, rawHeader(rawFin|rawText, rawMaxMessage+1)},
		{"16 KiB and a byte as the first fragment", 1009, rawHeader(rawText, rawMaxMessage+1)},
		{"64 KiB", 1009, rawHeader(rawFin|rawText, 64<<10)},
		{"a length that does not fit in 32 bits", 1009, rawHeader64(rawFin|rawText, 1<<32+1)},
		{"the longest length", 1009, rawHeader64(rawFin|rawText, 1<<63-1)},
		{"fragments of 16 KiB and a byte", 1009, append(rawFrame(rawText, strings.Repeat("x", half)), rawHeader(rawFin|rawContinuation, half+1)...)},
		{"16 KiB and a byte in the last fragment", 1009, append(rawFrame(rawText, strings.Repeat("x", rawMaxMessage)), rawHeader(rawFin|rawContinuation, 1)...)},
	}
}

// TestRawOversizedPayload goes on sending what was refused: it is not taken for
// frames, and the close frame is not lost by it.
func TestRawOversizedPayload(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		const length = 512 << 10
		for _, row := range []struct{ name, like string }{
			{"like nothing", "\xff"},
			{"like a close", string(rawFrame(rawFin|rawClose, "\x03\xe8"))},
			{"like a message", string(rawTextFrame(rawSend("payload", "payload")))},
			{"like the beginning of a frame", string(rawHeader(rawFin|rawText, rawMaxMessage))},
		} {
			t.Run(row.name, func(t *testing.T) {
				c, pacer := seat.join(t), seat.join(t)
				c.write(rawHeader(rawFin|rawText, length))
				chunk := []byte(strings.Repeat(row.like, 1+8<<10/len(row.like)))
				for range length / len(chunk) {
					pacer.alive() // what is there has been read by now
					c.write(chunk)
				}
				c.ended(1009)
			})
		}
		if got := seat.texts(t); len(got) > 0 {
			t.Errorf("got %q stored, want nothing of the payload", got)
		}
	})
}

// TestRawLargestMessage holds the limit from below: such a message may be
// refused for what is in it, and the connection stays.
func TestRawLargestMessage(t *testing.T) {
	frame := rawSend("large", "")
	tooLong := frame[:len(frame)-2] + strings.Repeat("x", rawMaxMessage-len(frame)) + `"}`
	garbage := strings.Repeat("x", rawMaxMessage)
	padded := rawAsk("padded")
	padded += strings.Repeat(" ", rawMaxMessage-len(padded))
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		for _, row := range []struct{ name, payload, kind, id, code string }{
			{"a text that is too long", tooLong, "error", "large", "text_too_long"},
			{"no JSON", garbage, "error", "", "bad_json"},
			{"what is right, with white space", padded, "history", "padded", ""},
		} {
			for _, parts := range []struct {
				name   string
				frames [][]byte
			}{
				{"in one frame", [][]byte{rawTextFrame(row.payload)}},
				{"in two fragments", rawFragments(row.payload, []int{rawMaxMessage / 2})},
				{"in fragments of a byte", rawFragments(row.payload, rawEvery(1))},
				{"in a fragment of all and an empty one", rawFragments(row.payload, []int{rawMaxMessage})},
			} {
				t.Run(row.name+" "+parts.name, func(t *testing.T) {
					c := seat.join(t)
					c.write(parts.frames...)
					if f := c.expect(row.kind); f.ID != row.id || f.Code != row.code {
						t.Errorf("got %s %q for %q, want %q for %q", f.Type, f.Code, f.ID, row.code, row.id)
					}
					c.alive()
				})
			}
		}
	})
}

// rawEvery are the places to cut the largest message in pieces of a size.
func rawEvery(size int) (cuts []int) {
	for at := size; at < rawMaxMessage; at += size {
		cuts = append(cuts, at)
	}
	return cuts
}
