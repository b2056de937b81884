package app

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configPath finds the configuration file before the flags are parsed, because
// the parsing needs what it holds.
func configPath(args []string) string {
	for i, a := range args {
		if path, ok := strings.CutPrefix(a, "--config="); ok {
			return path
		}
		if a == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return os.Getenv("BREAKWATER_CONFIG")
}

// configFile answers for flags that were given neither on the command line nor
// in the environment: a kong.Resolver.
type configFile struct {
	path   string
	values map[string]string // by the flag's name, written as on the command line
}

// readConfig reads a YAML file: a mapping from names of flags to values or lists.
func readConfig(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	nodes, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("--config: %s: %w", path, err)
	}
	file := &configFile{path: path, values: make(map[string]string)}
	for key, node := range nodes {
		value, err := written(node)
		if err != nil {
			return nil, fmt.Errorf("--config: %s: %s: %w", path, key, err)
		}
		file.values[key] = value
	}
	return file, nil
}

func parseConfig(data []byte) (map[string]yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil || document.IsZero() {
		return nil, err
	}
	if document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("must have a line NAME: VALUE for each flag")
	}
	nodes := make(map[string]yaml.Node)
	return nodes, document.Decode(nodes) // fails where a name stands twice
}

// written is a value as it stands in the file, so that what YAML takes for a
// number or a date reaches the flag as it was meant.
func written(node yaml.Node) (string, error) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null":
		return node.Value, nil
	case node.Kind == yaml.SequenceNode:
		words := make([]string, len(node.Content))
		for i, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("the items of a list must be plain values")
			}
			words[i] = item.Value
		}
		return kong.JoinEscaped(words, ','), nil
	default:
		return "", errors.New("must be a value or a list of values")
	}
}

// Validate implements kong.Resolver: it refuses keys that no flag has.
func (f *configFile) Validate(program *kong.Application) error {
	known := make(map[string]bool)
	err := kong.Visit(program, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		return err
	}
	for key := range f.values {
		if !known[key] {
			return fmt.Errorf("--config: %s: there is no flag --%s", f.path, key)
		}
	}
	return nil
}

// Resolve implements kong.Resolver. kong asks it before it looks at the
// environment, which must come first.
func (f *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, variable := range flag.Envs {
		if _, set := os.LookupEnv(variable); set {
			return nil, nil
		}
	}
	if value, ok := f.values[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}
