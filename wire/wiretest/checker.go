// Package wiretest holds real traffic against the documents of package wire:
// what a server says must be what openapi.json and asyncapi.json say that it says.
package wiretest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/breakwater-chat/breakwater/wire"
)

// Checker knows the documents. It may be used by many goroutines at once.
type Checker struct {
	server, client map[string]*jsonschema.Schema // by type
	routes         []route
	problem        *jsonschema.Schema
}

// NewChecker compiles the documents; it fails if they are not valid schemas.
func NewChecker() (*Checker, error) {
	c := &Checker{}
	async, err := parseDocument("asyncapi.json", wire.AsyncAPI)
	if err != nil {
		return nil, err
	}
	if c.client, err = async.frames("receive"); err != nil {
		return nil, err
	}
	if c.server, err = async.frames("send"); err != nil {
		return nil, err
	}
	open, err := parseDocument("openapi.json", wire.OpenAPI)
	if err != nil {
		return nil, err
	}
	if c.routes, err = open.routes(); err != nil {
		return nil, err
	}
	c.problem, err = open.compile("components", "schemas", "Problem")
	return c, err
}

// ServerFrame checks the payload of a text frame that a server sent.
func (c *Checker) ServerFrame(payload []byte) error {
	// The contract: type is the first key of what the server sends.
	if !bytes.HasPrefix(payload, []byte(`{"type":"`)) {
		return fmt.Errorf("a frame must begin with its type: %s", payload)
	}
	return checkFrame(c.server, payload)
}

// ClientFrame checks the payload of a text frame that a client sent and means
// to be accepted.
func (c *Checker) ClientFrame(payload []byte) error {
	return checkFrame(c.client, payload)
}

func checkFrame(schemas map[string]*jsonschema.Schema, payload []byte) error {
	instance, err := parse(payload)
	if err != nil {
		return err
	}
	object, _ := instance.(map[string]any)
	name, _ := object["type"].(string)
	schema := schemas[name]
	if schema == nil {
		return fmt.Errorf("there is no frame of type %q: %s", name, payload)
	}
	return explain(schema.Validate(instance), payload)
}

// parse reads exactly one JSON text, strictly (RFC 7493).
func parse(text []byte) (any, error) {
	if !jsontext.Value(text).IsValid() {
		return nil, fmt.Errorf("not strictly JSON: %q", text)
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

func explain(err error, text []byte) error {
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// document is a parsed document whose parts can be compiled as schemas.
type document struct {
	name     string
	root     map[string]any
	compiler *jsonschema.Compiler
}

func parseDocument(name string, text []byte) (*document, error) {
	parsed, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	root, ok := parsed.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("parse %s: got no object", name)
	}
	d := &document{name: name, root: root, compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource(name, parsed); err != nil {
		return nil, fmt.Errorf("take %s as a schema: %w", name, err)
	}
	return d, nil
}

// at finds what stands at a path of keys, going through references on the way.
func (d *document) at(path ...string) (resolved []string, value any, err error) {
	value = d.root
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok || object[key] == nil {
			return nil, nil, fmt.Errorf("%s has nothing at %q", d.name, path)
		}
		value = object[key]
		resolved = append(resolved, key)
		for {
			object, ok = value.(map[string]any)
			reference, isReference := object["$ref"].(string)
			if !ok || !isReference {
				break
			}
			if resolved, value, err = d.at(keysOf(reference)...); err != nil {
				return nil, nil, err
			}
		}
	}
	return resolved, value, nil
}

func (d *document) compile(path ...string) (*jsonschema.Schema, error) {
	// The last step is the schema itself, which the compiler resolves.
	parent, _, err := d.at(path[:len(path)-1]...)
	if err != nil {
		return nil, err
	}
	pointer := ""
	for _, key := range append(parent, path[len(path)-1]) {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(key)
	}
	return d.compiler.Compile(d.name + "#" + pointer)
}

// keysOf takes a local reference apart (RFC 6901).
func keysOf(reference string) []string {
	keys := strings.Split(strings.TrimPrefix(reference, "#/"), "/")
	for i := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(keys[i])
	}
	return keys
}

// frames compiles the payloads of the messages of all operations with an
// action, by the type that each asks for.
func (d *document) frames(action string) (map[string]*jsonschema.Schema, error) {
	_, operations, err := d.at("operations")
	if err != nil {
		return nil, err
	}
	schemas := map[string]*jsonschema.Schema{}
	for _, operation := range operations.(map[string]any) {
		o := operation.(map[string]any)
		if o["action"] != action {
			continue
		}
		for _, message := range o["messages"].([]any) {
			path, value, err := d.at(keysOf(message.(map[string]any)["$ref"].(string))...)
			if err != nil {
				return nil, err
			}
			name := value.(map[string]any)["name"].(string)
			if schemas[name], err = d.compile(append(path, "payload", "schema")...); err != nil {
				return nil, fmt.Errorf("compile the message %s: %w", name, err)
			}
		}
	}
	return schemas, nil
}
