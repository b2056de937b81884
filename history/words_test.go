package history

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
)

func TestWords(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"no word", " … !? -- <> ", nil},
		{"case", "Hello, WORLD!", []string{"hello", "world"}},
		{"digits", "v2 of 2024-05", []string{"v2", "of", "2024", "05"}},
		{"apostrophe", "don't", []string{"don", "t"}},
		{"accents stay", "Résumé", []string{"résumé"}},
		{"accents meet", "re\u0301sume\u0301", []string{"résumé"}},
		{"sigma", "ΣΊΣΥΦΟΣ Σίσυφος", []string{"σίσυφοσ", "σίσυφοσ"}},
		{"russian", "Привет, Мир", []string{"привет", "мир"}},
		{"arabic", "مرحبا بالعالم", []string{"مرحبا", "بالعالم"}},
		{"persian joiner", "می\u200cخواهم", []string{"میخواهم"}},
		{"hindi", "नमस्ते दुनिया", []string{"नमस्ते", "दुनिया"}},
		{"han", "你好,world", []string{"你", "好", "world"}},
		{"han in latin", "go语言", []string{"go", "语", "言"}},
		{"hiragana", "ありが", []string{"あ", "り", "が"}},
		{"katakana", "ゲーム", []string{"ゲ", "ー", "ム"}},
		{"korean", "안녕하세요 세계", []string{"안녕하세요", "세계"}},
		{"thai", "กิน", []string{"กิ", "น"}},
		{"emoji", "ok👍🎉", []string{"ok", "👍", "🎉"}},
		{"skin tone", "👍🏽", []string{"👍", "🏽"}},
		{"emoji in parts", "👩\u200d💻", []string{"👩", "💻"}},
		{"emoji as glyph", "❤\ufe0f ❤", []string{"❤", "❤"}},
		{"flag", "🇩🇪", []string{"🇩", "🇪"}},
		{"a mark alone", "\u0301 x", []string{"x"}},
		{"invalid", "a\xffb", []string{"a", "b"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Words(row.text); !slices.Equal(got, row.want) {
				t.Errorf("Words(%q): got %q, want %q", row.text, got, row.want)
			}
		})
	}
}

func TestWordsAreFoundByThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		words := Words(text)
		if again := Words(strings.Join(words, " ")); !slices.Equal(again, words) {
			t.Fatalf("Words(%q) is %q, but read again %q", text, words, again)
		}
		for _, w := range words {
			if w == "" || !utf8.ValidString(w) {
				t.Fatalf("Words(%q) has %q", text, w)
			}
			for _, r := range w {
				if c := classify(r); c == other {
					t.Fatalf("Words(%q) has %q with %U", text, w, r)
				}
			}
		}
	})
}

func TestParseTerms(t *testing.T) {
	for _, row := range []struct {
		name, q string
		want    []Term
	}{
		{"words", "Hello  world", []Term{{"hello"}, {"world"}}},
		{"phrase", `say "Hello World" now`, []Term{{"say"}, {"hello", "world"}, {"now"}}},
		{"open quote", `"hello world`, []Term{{"hello", "world"}}},
		{"several tokens are a phrase", "你好 foo-bar", []Term{{"你", "好"}, {"foo", "bar"}}},
		{"no word among words", "a -- b ''", []Term{{"a"}, {"b"}}},
		{"operators are words", "a AND b* NEAR(c)", []Term{{"a"}, {"and"}, {"b"}, {"near", "c"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ParseTerms(row.q)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, row.want, func(a, b Term) bool { return slices.Equal(a, b) }) {
				t.Errorf("ParseTerms(%q): got %q, want %q", row.q, got, row.want)
			}
		})
	}
	for _, q := range []string{"", "  ", `""`, "?!", strings.Repeat("a ", MaxQueryWords+1)} {
		if got, err := ParseTerms(q); bw.KindOf(err) != bw.BadQuery {
			t.Errorf("ParseTerms(%q): got %q and %v, want bad_query", q, got, err)
		}
	}
}

func TestHighlight(t *testing.T) {
	for _, row := range []struct{ name, text, q, want string }{
		{"word", "Hello world", "HELLO", "<em>Hello</em> world"},
		{"every occurrence", "a b a", "a", "<em>a</em> b <em>a</em>"},
		{"whole words only", "catalog cat", "cat", "catalog <em>cat</em>"},
		{"phrase", "big red bus, red big", `"big red"`, "<em>big</em> <em>red</em> bus, red big"},
		{"overlapping", "a a a", `"a a"`, "<em>a</em> <em>a</em> <em>a</em>"},
		{
			"escaped", `<script>alert("x")</script> & x`, "script",
			`&lt;<em>script</em>&gt;alert(&#34;x&#34;)&lt;/<em>script</em>&gt; &amp; x`,
		},
		{"touching words", "说你好!", "你好", "说<em>你好</em>!"},
		{"emoji", "ok👍🏽!", "👍", "ok<em>👍</em>🏽!"},
		{"accents", "un re\u0301sume\u0301", "résumé", "un <em>re\u0301sume\u0301</em>"},
		{"no match", "a < b", "c", "a &lt; b"},
	} {
		t.Run(row.name, func(t *testing.T) {
			terms, err := ParseTerms(row.q)
			if err != nil {
				t.Fatal(err)
			}
			if got := Highlight(row.text, terms); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestHighlightOnlyAddsMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		words := Words(text)
		var terms []Term
		if len(words) > 0 {
			terms = []Term{{rapid.SampledFrom(words).Draw(t, "word")}}
		}
		marked := Highlight(text, terms)
		if n := strings.Count(marked, emOpen); n != strings.Count(marked, emClose) || (n == 0) != (len(terms) == 0) {
			t.Fatalf("Highlight(%q, %q): got %q", text, terms, marked)
		}
		plain := strings.NewReplacer(emOpen, "", emClose, "").Replace(marked)
		if want := Highlight(text, nil); plain != want {
			t.Fatalf("without marks: got %q, want %q", plain, want)
		}
	})
}
