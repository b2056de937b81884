package wire

import (
	"testing"

	bw "github.com/breakwater-chat/breakwater"
)

func BenchmarkAppendMessage(b *testing.B) {
	for name, text := range map[string]string{
		"ascii":   "The tide is in; the boats ride high. See you at the quay at nine.",
		"escapes": "first line\nsecond \"line\"\nthird\tline \\ fourth\nfifth\nsixth \u2028 end.",
		"kanji":   "港の満ち潮で船が高く浮かんでいます。九時に岸壁で会いましょう。",
	} {
		b.Run(name, func(b *testing.B) {
			m := &bw.Message{Room: 7, Epoch: 1767225600000, Seq: 123456, ID: "4f9d1c7e", User: "Ada", Text: text, Timestamp: 1767225601000}
			var frame []byte
			b.SetBytes(int64(len(AppendMessage(nil, m))))
			b.ReportAllocs()
			for b.Loop() {
				frame = AppendMessage(frame[:0], m)
			}
		})
	}
}

func BenchmarkParseClientFrame(b *testing.B) {
	for name, payload := range map[string]string{
		"send":    `{"type":"send","id":"4f9d1c7e","room":7,"text":"The tide is in; the boats ride high. See you at the quay at nine."}`,
		"escapes": `{"type":"send","id":"4f9d1c7e","room":7,"text":"first line\nsecond \"line\"\u00e9"}`,
		"typing":  `{"type":"typing","room":7}`,
		"broken":  `{"type":"send","id":"4f9d1c7e","room":7,"text":"first line`,
	} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(payload)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseClientFrame(raw) // refused or not is not the question here
			}
		})
	}
}

func BenchmarkParseServerFrame(b *testing.B) {
	m := &bw.Message{Room: 7, Epoch: 1767225600000, Seq: 123456, ID: "4f9d1c7e", User: "Ada", Text: "The tide is in; the boats ride high. See you at the quay at nine.", Timestamp: 1767225601000}
	raw := AppendMessage(nil, m)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseServerFrame(raw); err != nil {
			b.Fatal(err)
		}
	}
}
