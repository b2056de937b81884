package wire_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
)

// wantKind asks for the kind of an error, "" for none, and that a client is
// told something.
func wantKind(t *testing.T, err error, want bw.Kind) {
	t.Helper()
	if got := bw.KindOf(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
	var e *bw.Error
	if err != nil && (!errors.As(err, &e) || e.Detail == "") {
		t.Errorf("got %v, want a detail that helps", err)
	}
}

// constants reads the constants of a type from a source file: their values by
// their names. What the compiler knows and the tests do not cannot hide.
func constants(t *testing.T, file, typeName string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatalf("parse %s: %v", file, err)
	}
	found := map[string]string{}
	for _, declaration := range parsed.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.CONST {
			continue
		}
		for _, spec := range general.Specs {
			value := spec.(*ast.ValueSpec)
			if name, ok := value.Type.(*ast.Ident); !ok || name.Name != typeName {
				continue
			}
			for i, name := range value.Names {
				literal := value.Values[i].(*ast.BasicLit)
				text := literal.Value
				if literal.Kind == token.STRING {
					if text, err = strconv.Unquote(text); err != nil {
						t.Fatalf("read %s: %v", name.Name, err)
					}
				}
				found[name.Name] = text
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("got no constants of type %s in %s", typeName, file)
	}
	return found
}

// kinds are all kinds that the root package has.
func kinds(t *testing.T) []bw.Kind {
	t.Helper()
	var list []bw.Kind
	for _, text := range constants(t, "../error.go", "Kind") {
		list = append(list, bw.Kind(text))
	}
	return list
}
