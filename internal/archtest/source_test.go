package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/breakwater-chat/breakwater"

// sourceFile is one Go file of the project, parsed.
type sourceFile struct {
	// name is the slash-separated path from the project's root, dir its folder
	// (the root itself is ".").
	name, dir string
	test      bool
	fset      *token.FileSet
	syntax    *ast.File
	imports   []string
}

// at names a place in the file, for messages.
func (f sourceFile) at(pos token.Pos) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(pos).Line)
}

// projectRoot is the folder of go.mod.
func projectRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the working directory: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// made are folders that no commit holds; in a linked work tree .git is a file.
var made = map[string]bool{".git": true, "bin": true, "data": true, "node_modules": true, "testdata": true}

// walk calls visit for every file of the project, by its slash-separated path.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	root := os.DirFS(projectRoot(t))
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && made[entry.Name()]:
			return fs.SkipDir
		case entry.Type().IsRegular() && !made[entry.Name()]:
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walking the project: %v", err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(projectRoot(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return string(content)
}

// goFiles parses every Go file, whatever its build constraints.
func goFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, name, read(t, name), parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parsing: %v", err)
		}
		f := sourceFile{name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: fset, syntax: syntax}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", f.at(spec.Pos()), err)
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
	})
	if len(files) < 10 {
		t.Fatalf("found %d Go files: the walk does not see the project", len(files))
	}
	return files
}

// within tells whether a folder is one of those named or below one.
func within(dir string, parents ...string) bool {
	for _, parent := range parents {
		if dir == parent || strings.HasPrefix(dir, parent+"/") {
			return true
		}
	}
	return false
}
