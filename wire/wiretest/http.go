package wiretest

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// route is one path of the OpenAPI document with what each method answers.
type route struct {
	path    string // with {parameters}
	methods map[string]map[int]response
}

// response is what may be answered with one status: a schema by media type,
// nil where any body will do; no media type where there is no body.
type response map[string]*jsonschema.Schema

func (d *document) routes() ([]route, error) {
	_, paths, err := d.at("paths")
	if err != nil {
		return nil, err
	}
	var routes []route
	for path, item := range paths.(map[string]any) {
		r := route{path: path, methods: map[string]map[int]response{}}
		for method := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			if r.methods[strings.ToUpper(method)], err = d.responses(path, method); err != nil {
				return nil, fmt.Errorf("compile %s %s: %w", method, path, err)
			}
		}
		routes = append(routes, r)
	}
	return routes, nil
}

func (d *document) responses(path, method string) (map[int]response, error) {
	_, all, err := d.at("paths", path, method, "responses")
	if err != nil {
		return nil, err
	}
	responses := map[int]response{}
	for key := range all.(map[string]any) {
		status, err := strconv.Atoi(key)
		if err != nil {
			return nil, fmt.Errorf("read the status %q: %w", key, err)
		}
		at, value, err := d.at("paths", path, method, "responses", key)
		if err != nil {
			return nil, err
		}
		r := response{}
		content, _ := value.(map[string]any)["content"].(map[string]any)
		for media := range content {
			r[media] = nil
			if !isJSON(media) {
				continue
			}
			if r[media], err = d.compile(append(at, "content", media, "schema")...); err != nil {
				return nil, err
			}
		}
		responses[status] = r
	}
	return responses, nil
}

func isJSON(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// HTTP checks a response: the status must be one that the document has for
// this method and path, and the body as it says there. The path is that of a
// request, with or without a query. What the document does not describe must
// have been refused with a problem document.
func (c *Checker) HTTP(method, path string, status int, contentType string, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	what := fmt.Sprintf("%s %s: %d", method, path, status)
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && len(body) > 0 {
		return fmt.Errorf("%s: content type %q: %w", what, contentType, err)
	}
	r := c.find(path)
	if r == nil || r.methods[method] == nil {
		if err := c.refusal(r != nil, status, media, body); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	expected, ok := r.methods[method][status]
	if !ok {
		return fmt.Errorf("%s is not in the document: %s", what, body)
	}
	if err := expected.check(media, body); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (r response) check(media string, body []byte) error {
	if len(r) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("got a body where the document has none: %q", body)
		}
		return nil
	}
	schema, ok := r[media]
	if !ok {
		return fmt.Errorf("the content type %q is not in the document", media)
	}
	if schema == nil {
		return nil
	}
	instance, err := parse(body)
	if err != nil {
		return err
	}
	return explain(schema.Validate(instance), body)
}

// refusal checks the answer to what the document does not describe.
func (c *Checker) refusal(pathIsKnown bool, status int, media string, body []byte) error {
	if media != wire.ProblemType {
		return fmt.Errorf("this is not in the document; got content type %q, want a problem document", media)
	}
	instance, err := parse(body)
	if err != nil {
		return err
	}
	if err := explain(c.problem.Validate(instance), body); err != nil {
		return err
	}
	want := bw.NotFound
	if pathIsKnown {
		want = bw.MethodNotAllowed
	}
	code, _ := instance.(map[string]any)["code"].(string)
	if kind := bw.Kind(code); kind != want && kind != bw.BadRequest && kind != bw.BodyTooLarge {
		return fmt.Errorf("this is not in the document; got code %q, want %q", code, want)
	}
	if wantStatus, _ := wire.StatusOf(bw.Kind(code)); status != wantStatus {
		return fmt.Errorf("got code %q with status %d, want %d (%s)", code, status, wantStatus, http.StatusText(wantStatus))
	}
	return nil
}

// find returns the route of a concrete path: the one without parameters first,
// as OpenAPI has it.
func (c *Checker) find(path string) *route {
	var found *route
	for i := range c.routes {
		r := &c.routes[i]
		if r.path == path {
			return r
		}
		if matches(r.path, path) {
			found = r
		}
	}
	return found
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && (got[i] == "" || !strings.HasPrefix(want[i], "{")) {
			return false
		}
	}
	return true
}
