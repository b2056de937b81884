package browser

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// The widths at which a report is looked at, in CSS pixels: a phone's and a desk's.
const (
	phone = 400
	desk  = 1280
)

// TestTheReportOfALoadTest opens what a storm has written.
func TestTheReportOfALoadTest(t *testing.T) {
	data, page := t.TempDir(), filepath.Join(t.TempDir(), "storm.html")
	s := binary.StartOn(t, data)
	out, err := binary.Command("loadtest", "storm", "--members", "20", "--rooms", "2", "--rate", "20", "--steady", "1s", "--target", s.URL,
		"--token-key", filepath.Join(data, "token.key"), "--html", page).CombinedOutput()
	if err != nil {
		t.Fatalf("the load test: %v\n%s", err, out)
	}
	readReport(t, page, "passed", []string{"load begins", "cut", "all back", "load ends"})
}

// TestTheReportOfADrill opens that of a long run with faults that last, names that are long,
// and a promise that was broken at length.
func TestTheReportOfADrill(t *testing.T) {
	const seconds = 90
	faults := []report.Mark{
		{Name: "kill server-2", At: 20 * time.Second, Until: 27 * time.Second},
		{Name: "server-2 is back", At: 41 * time.Second},
		{Name: "redis is cut off from all servers and answers nobody", At: 60 * time.Second, Until: 88 * time.Second},
	}
	r := &report.Report{
		Title: "drill server-kill", Command: []string{"breakwater", "drill", "server-kill", "--seed", "7"}, Version: "v0",
		Target: "http://127.0.0.1:8080", Seed: 7, Started: time.Unix(1_790_000_000, 0), Elapsed: seconds * time.Second, Marks: faults,
		Parameters: []report.Parameter{{Name: "people", Value: "300"}, {Name: "faults", Value: strings.Repeat("a fault without a space ", 9)}},
		Figures:    []report.Figure{{Name: "lost", Help: "acknowledged and not delivered"}, {Name: "p99", Value: 0.25, Unit: "s", Help: "of deliver"}},
		Checks: []report.Check{
			{Name: "every acked message is in the history", OK: true, Detail: "118,204 of 118,204 found"},
			{Name: "no message is delivered twice", Detail: "1 message came twice\n" + strings.Repeat("room 4 epoch 1790000000123 seq 1811 ", 20)},
		},
	}
	for i := range seconds {
		r.Points = append(r.Points, report.Point{
			At:        time.Duration(i) * time.Second,
			Counts:    map[string]int64{"sent": 100, "acked": int64(90 + i%7), "received": int64(4000 + 100*(i%9)), "error unavailable": int64(i % 3)},
			Gauges:    map[string]float64{"connections": float64(300 - i%5), "memory server-1": 1e8 + 1e6*float64(i), "cpu server-1": 0.4},
			Latencies: map[string]report.Latency{"deliver": {Count: 9, P50: 0.004, P90: 0.007, P99: 0.02 + float64(i)/1000, P999: 0.3, Max: 0.4}},
		})
	}
	page := filepath.Join(t.TempDir(), "drill.html")
	if err := report.WriteHTML(page, r); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range faults {
		names = append(names, f.Name)
	}
	readReport(t, page, "failed", names)
}

// readReport opens a page from disk, on a desk and on a phone, by day and by night: how the run
// went stands above everything, all is drawn and can be read. The browser sees to it that nothing
// is asked of any host.
func readReport(t *testing.T, page, verdict string, marks []string) {
	t.Helper()
	p := newBrowser(t, "a reader", "") // the host of file: URLs
	p.do("opening the report", chromedp.Navigate("file://"+page))
	if got := see[int](p, "performance.getEntriesByType('resource').length"); got != 0 {
		t.Errorf("got %d requests of the page, want none", got)
	}
	if got := see[string](p, "document.querySelector('.verdict strong').textContent"); got != verdict {
		t.Errorf("got the verdict %q, want %q", got, verdict)
	}
	for _, width := range []int64{desk, phone} {
		for _, scheme := range []string{"light", "dark"} {
			p.look(width, scheme)
			for _, complaint := range p.audit(width, marks) {
				t.Errorf("%d pixels wide, %s: %s", width, scheme, complaint)
			}
		}
	}
	p.play("breaking the page", "document.querySelector('h1').style.width = '500px'; document.querySelector('.line, .layer').remove(); "+
		"document.querySelector('.label').textContent = ''; document.querySelector('.verdict').style.color = 'var(--paper)'")
	broken := p.audit(phone, marks)
	for _, want := range []string{"wide", "legend", "mark", "contrast"} {
		if !slices.ContainsFunc(broken, func(c string) bool { return strings.Contains(c, want) }) {
			t.Errorf("got %q of a page that was broken, want a complaint of the word %q: the audit sees nothing", broken, want)
		}
	}
}

// look makes the window so wide, in a colour scheme.
func (p *person) look(width int64, scheme string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width == phone})
	if err == nil {
		_, err = chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
	}
	if err != nil {
		p.t.Fatalf("%s: setting the window up: %v", p.name, err)
	}
	p.waitFor("the window to be so", fmt.Sprintf("matchMedia('(width: %dpx) and (prefers-color-scheme: %s)').matches", width, scheme))
}

// audit lists what is wrong with a report as it is laid out now, in a window of that width, which
// the page cannot be asked for: a phone shows more of a page that is wider.
func (p *person) audit(width int64, marks []string) []string {
	p.t.Helper()
	return see[[]string](p, fmt.Sprintf("(%s)(%d, %s)", audit, width, quote(strings.Join(marks, "\n"))))
}

// Contrasts are those of WCAG 2.2 (1.4.3 for text, 1.4.11 for lines).
const audit = `(width, marks) => {
	const wrong = [], say = (text) => wrong.push(text);
	const all = (what, within = document) => [...within.querySelectorAll(what)];
	const box = (e) => e.getBoundingClientRect();

	const verdict = box(document.querySelector('.verdict'));
	if (verdict.top < 0 || verdict.bottom > innerHeight) say('the verdict is not on the first screen');
	if (box(document.querySelector('main')).top < verdict.bottom) say('something stands above the verdict');
	const wide = document.documentElement.scrollWidth;
	if (wide > width) say('the page is ' + wide + ' pixels wide');

	const luminance = (color) => {
		const parts = color.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255);
		const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const paper = (e) => {
		const own = getComputedStyle(e).backgroundColor;
		return own === 'rgba(0, 0, 0, 0)' ? paper(e.parentElement) : own;
	};
	const contrast = (e, property, least) => {
		const [a, b] = [luminance(getComputedStyle(e)[property]), luminance(paper(e))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < least) say(e.tagName + '.' + (e.className.baseVal ?? e.className) + ' has the contrast ' + ratio.toFixed(2));
	};
	const dark = matchMedia('(prefers-color-scheme: dark)').matches;
	if (dark !== luminance(paper(document.body)) < 0.2) say('the paper is not that of the colour scheme');
	for (const e of all('h1, h2, h3, p, strong, dt, dd, small, th, td, pre, li, span, .label')) contrast(e, 'color', 4.5);
	for (const e of all('.line, .moment')) contrast(e, 'stroke', 3);
	for (const e of all('.layer')) contrast(e, 'fill', 3);

	const figures = all('figure');
	if (figures.length < 5) say('there are ' + figures.length + ' plots');
	for (const figure of figures) {
		const of = figure.querySelector('h3').textContent + ': ';
		const area = box(figure.querySelector('.frame svg'));
		const series = all('.frame .line, .frame .layer', figure);
		if (area.width < width / 2 || area.height < 100) say(of + 'the area is ' + area.width + ' by ' + area.height);
		if (series.length !== all('.legend li', figure).length) say(of + 'the legend is not that of the series');
		for (const path of series) {
			const drawn = box(path);
			if (path.getTotalLength() <= 0) say(of + 'a series has no path');
			if (drawn.left < area.left - 2 || drawn.right > area.right + 2 || drawn.top < area.top - 2 || drawn.bottom > area.bottom + 2)
				say(of + 'a series is drawn outside of the area');
		}
		const labels = all('.label', figure);
		const name = (l) => [...l.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join('').trim();
		if (labels.map(name).join('\n') !== marks)
			say(of + 'the marks are ' + labels.map((l) => l.textContent));
		for (const l of labels) {
			const seen = box(l);
			if (seen.width < 8 || seen.left < 0 || seen.right > width) say(of + 'a mark cannot be read: ' + l.textContent);
		}
		if (all('.moment', figure).filter((m) => m.getTotalLength() > 0).length !== labels.length) say(of + 'a mark is not drawn');
	}
	return wrong;
}`
