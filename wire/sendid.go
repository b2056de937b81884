package wire

import "bytes"

const sendHead = `{"type":"send","id":"`

// MaxSendHead is how much of a send SendID looks at.
const MaxSendHead = len(sendHead) + MaxID + 1

// SendID is the id of a send, if it can be had without reading the frame: one that is
// written as this project's clients write it. Nothing else of the frame is looked at.
func SendID(payload []byte) (id string, ok bool) {
	if len(payload) < len(sendHead) || string(payload[:len(sendHead)]) != sendHead {
		return "", false
	}
	rest := payload[len(sendHead):]
	end := bytes.IndexByte(rest[:min(len(rest), MaxID+1)], '"')
	if end < 1 {
		return "", false
	}
	for _, c := range rest[:end] {
		if c < ' ' || c > '~' || c == '\\' {
			return "", false
		}
	}
	return string(rest[:end]), true
}
