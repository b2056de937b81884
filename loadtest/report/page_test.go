package report

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// parsePage writes the report as a page and parses that.
func parsePage(t *testing.T, report *Report) *html.Node {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := WriteHTML(file, report); err != nil {
		t.Fatal("writing the page:", err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal("parsing the page:", err)
	}
	return root
}

// all are the elements of the tag, and of the class if one is given.
func all(root *html.Node, tag, class string) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag && (class == "" || slices.Contains(strings.Fields(attribute(n, "class")), class)) {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var words []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			words = append(words, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(words, " ")
}

func texts(nodes []*html.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, text(n))
	}
	return all
}

func TestThePageSaysFirstHowItWent(t *testing.T) {
	page := parsePage(t, storm())
	if got, want := texts(all(page, "p", "verdict")), []string{"failed 2 of 5 checks failed"}; !slices.Equal(got, want) {
		t.Errorf("got the verdict %q, want %q", got, want)
	}
	tiles := all(all(page, "dl", "tiles")[0], "div", "")
	if got, want := text(tiles[2]), "rate 856/s acknowledged in a second"; len(tiles) != 9 || got != want {
		t.Errorf("got %d tiles, the third %q; want 9 and %q", len(tiles), got, want)
	}
	if got, want := texts(all(page, "td", "word")), []string{"✗ failed", "✗ failed", "✓ ok", "✓ ok", "✓ ok"}; !slices.Equal(got, want) {
		t.Errorf("got checks %q, want %q", got, want)
	}
	if got, want := texts(all(page, "pre", "details")), "room 4 epoch 1790000000123 seq 1811"; len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("got details %q, want those of the oracle", got)
	}
	if got, want := texts(all(page, "pre", "command")), "breakwater drill server-kill --seed 7 --expect 'p99=250ms,lost=0,rate>=100'"; len(got) != 1 || got[0] != want {
		t.Errorf("got the command %q, want %q", got, want)
	}
}

func TestThePageDrawsEverything(t *testing.T) {
	page := parsePage(t, storm())
	want := []string{
		"received per second", "sent, acked, joined, closed per second", "latency: deliver", "latency: ack", "latency: join",
		"connections", "errors per second, by code", "CPU, of one core", "memory", "queue", "rooms",
	}
	if got := texts(all(page, "h3", "")); !slices.Equal(got, want) {
		t.Errorf("got plots %q, want %q", got, want)
	}
	for _, figure := range all(page, "figure", "") {
		checkFigure(t, figure)
	}
}

// checkFigure looks for what each plot has: words for who does not see it, the marks, the same axis
// of time, a legend, the data.
func checkFigure(t *testing.T, figure *html.Node) {
	title := text(all(figure, "h3", "")[0])
	drawing := all(figure, "svg", "")[0]
	if got := text(all(drawing, "title", "")[0]); got != title || attribute(drawing, "role") != "img" {
		t.Errorf("%s: got a drawing of the title %q, want the plot's", title, got)
	}
	if got := text(all(drawing, "desc", "")[0]); !strings.Contains(got, "kill server-2 from 40.0 s to 47.0 s") || !strings.Contains(got, "is at most") {
		t.Errorf("%s: got the description %q, want values and marks", title, got)
	}
	if got, want := texts(all(figure, "div", "label")), []string{"1 kill server-2", "2 server-2 is back", "3 pause redis"}; !slices.Equal(got, want) {
		t.Errorf("%s: got marks %q, want %q", title, got, want)
	}
	if got, want := len(all(drawing, "path", "band")), 2; got != want {
		t.Errorf("%s: got %d bands, want %d", title, got, want)
	}
	axis := texts(all(figure, "span", "x"))
	if len(axis) != 9 || axis[1] != "15 s" || axis[8] != "120 s" {
		t.Errorf("%s: got the axis of time %q, want 0 s to 120 s by 15 s", title, axis)
	}
	legend, series := all(figure, "ul", "legend")[0], len(all(drawing, "path", "line"))+len(all(drawing, "path", "layer"))
	if got := len(all(legend, "li", "")); got != series || got == 0 {
		t.Errorf("%s: got %d names in the legend, want the %d that are drawn", title, got, series)
	}
	if got := len(all(figure, "th", "")); got < series+60 {
		t.Errorf("%s: got a table with %d heads, want one of the data", title, got)
	}
}

func TestThePageNeedsNothingElse(t *testing.T) {
	page := parsePage(t, storm())
	for n := range page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "script" || n.Data == "img" || n.Data == "link" && attribute(n, "href") != "data:," {
			t.Errorf("got an element %s with %v, want none", n.Data, n.Attr)
		}
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "href" && a.Val != "data:," || strings.Contains(a.Val, "url(") {
				t.Errorf("got %s=%q in %s, want nothing from elsewhere", a.Key, a.Val, n.Data)
			}
		}
	}
	if style := text(all(page, "style", "")[0]); strings.Contains(style, "url(") || strings.Contains(style, "@import") || strings.Contains(style, "ZgotmplZ") {
		t.Error("got a style that loads something or that the template has refused")
	}
}

// TestNamesArePrintedAsTheyAre has elements and quotes wherever a name comes from somebody else.
func TestNamesArePrintedAsTheyAre(t *testing.T) {
	const evil = `"><script>alert('x')</script><img src=x onerror=y>`
	report := storm()
	report.Title, report.Broken, report.Target, report.Version = "title"+evil, "broken"+evil, "javascript:"+evil, evil
	report.Command = append(report.Command, evil)
	report.Parameters = append(report.Parameters, Parameter{"parameter" + evil, evil})
	report.Figures = append(report.Figures, Figure{Name: "figure" + evil, Help: evil})
	report.Marks = append(report.Marks, Mark{Name: "mark" + evil, At: time.Second})
	report.Checks = append(report.Checks, Check{Name: "check" + evil, Detail: "first" + evil + "\nsecond" + evil})
	report.Totals.Counts["error total"+evil] = 1
	report.Points[3].Counts["error code"+evil], report.Points[3].Counts["count"+evil] = 1, 1
	report.Points[3].Gauges["gauge"+evil] = 1
	report.Points[3].Latencies["latency"+evil] = Latency{Count: 1, P50: 1, Max: 1}

	page := parsePage(t, report)
	if got := len(all(page, "script", "")) + len(all(page, "img", "")); got != 0 {
		t.Errorf("got %d elements out of names, want none", got)
	}
	words := text(page)
	for _, name := range []string{"title", "broken", "parameter", "figure", "mark", "check", "first", "second", "total", "code", "count", "gauge", "latency"} {
		if !strings.Contains(words, name+evil) {
			t.Errorf("got no %q on the page, want it as it is", name+evil)
		}
	}
}

func TestAPageOfNothing(t *testing.T) {
	for name, report := range map[string]*Report{
		"nothing":    {},
		"one second": {Points: []Point{{Counts: map[string]int64{"sent": 1}, Latencies: map[string]Latency{"ack": {Count: 1}}}}},
		"zeros":      {Elapsed: time.Hour, Points: []Point{{Counts: map[string]int64{"sent": 0}, Gauges: map[string]float64{"connections": 0, "lag": -1}}}},
	} {
		page := parsePage(t, report)
		for n := range page.Descendants() {
			for _, a := range n.Attr {
				if strings.Contains(a.Val, "NaN") || strings.Contains(a.Val, "Inf") {
					t.Errorf("%s: got %s=%q in %s, want numbers", name, a.Key, a.Val, n.Data)
				}
			}
		}
	}
}

// TestALongRunIsDrawnWithItsSpike has one bad second in an hour.
func TestALongRunIsDrawnWithItsSpike(t *testing.T) {
	drawings := draw(soak())
	for _, d := range drawings {
		for _, l := range d.Lines {
			if got := strings.Count(l.Path, "L") + strings.Count(l.Path, "M"); got > maxSamples {
				t.Errorf("%s, %s: got %d points, want at most %d", d.Title, l.Name, got, maxSamples)
			}
		}
		if got := len(d.Table.Rows); got != maxRows {
			t.Errorf("%s: got %d rows, want %d", d.Title, got, maxRows)
		}
		switch d.Title {
		case "latency: deliver":
			if got := topOf(t, d.Lines[3].Path); got > 100 {
				t.Errorf("got the highest maximum at %g from the top, want the spike near it", got)
			}
		case "errors per second, by code":
			if got := strings.Count(d.Lines[0].Path, "Z"); got != 1 {
				t.Errorf("got %d seconds with errors, want 1", got)
			}
		}
	}
}

// topOf is the smallest distance from the top.
func topOf(t *testing.T, path string) float64 {
	top := float64(size)
	for point := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == 'M' || c == 'L' }) {
		_, y, _ := strings.Cut(point, " ")
		y, _, _ = strings.Cut(y, "H")
		value, err := strconv.ParseFloat(y, 64)
		if err != nil {
			t.Fatalf("the path has a point %q: %v", point, err)
		}
		top = min(top, value)
	}
	return top
}

// TestLabelsOfMarksDoNotHideEachOther places any marks and looks at the rooms of their labels.
func TestLabelsOfMarksDoNotHideEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Mark {
			at := time.Duration(rapid.IntRange(0, 100).Draw(t, "at")) * time.Second
			return Mark{
				Name: rapid.StringN(1, 30, -1).Draw(t, "name"), At: at,
				Until: at + time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds"))*time.Second,
			}
		}), 0, 20).Draw(t, "marks")
		views, lanes := placeMarks(marks, 100*time.Second)
		if len(views) != len(marks) || lanes > maxLanes {
			t.Fatalf("got %d marks in %d lanes, want %d in at most %d", len(views), lanes, len(marks), maxLanes)
		}
		ends := map[int]float64{}
		for _, v := range views {
			from, to := v.From, v.From+v.Room
			if v.AtEnd {
				from, to = v.From-v.Room, v.From
			}
			if v.From < 0 || v.To > 100 || v.To < v.From || v.Room < 0 || to > 100+1e-9 {
				t.Errorf("got the mark %+v, want it within the plot", v)
			}
			if from < ends[v.Lane]-1e-9 {
				t.Errorf("got the label of %d from %g, over one that goes to %g", v.Number, from, ends[v.Lane])
			}
			ends[v.Lane] = to
		}
	})
}
