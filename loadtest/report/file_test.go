package report

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestAReportComesBackFromItsJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	want := storm()
	for range 2 { // the second time in place of the first
		if err := WriteJSON(file, want); err != nil {
			t.Fatal("writing the report:", err)
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal("reading the report:", err)
	}
	if !reflect.DeepEqual(&got, want) {
		for i := range min(len(got.Points), len(want.Points)) {
			if !reflect.DeepEqual(got.Points[i], want.Points[i]) {
				t.Errorf("got the point %+v, want %+v", got.Points[i], want.Points[i])
			}
		}
		got.Points = nil
		t.Errorf("got another report than was written; but for its points it is %+v", got)
	}
	checkAlone(t, file)
}

func TestAFileStaysWhenItsSuccessorFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is full")
	err := replace(file, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of it"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got the error %v, want %v", err, broken)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "old" {
		t.Errorf("got %q and the error %v, want the old file", content, err)
	}
	checkAlone(t, file)
}

func TestAFolderThatIsMissingIsNamed(t *testing.T) {
	if err := WriteJSON(filepath.Join(t.TempDir(), "missing", "report.json"), storm()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got the error %v, want one that says the folder does not exist", err)
	}
}

// checkAlone looks for temporary files that were left behind.
func checkAlone(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v in the folder and the error %v, want the file alone", entries, err)
	}
}
