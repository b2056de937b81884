package sqlite

import (
	"database/sql"
	"fmt"
	"strings"
)

// chunkSizes are the numbers of rows that multi-row statements are prepared
// for: few, so that few texts are kept, and the largest within SQLite's
// default of 32,766 parameters for rows of a hundred columns.
var chunkSizes = [...]int{256, 64, 16, 4, 1}

// ExecRows runs `head (?, …), (?, …), … tail` for rows of the given number of
// columns, laid out one after the other in args, in as few statements as do.
func (t *Tx) ExecRows(head string, columns int, args []any, tail string) error {
	return chunks(columns, args, func(rows int, args []any) error {
		_, err := t.Exec(head+values(rows, columns)+tail, args...)
		return err
	})
}

// QueryRows runs `WITH given (…) AS (VALUES (?, …), …) query` over rows of the
// named columns, laid out one after the other in args, and hands each row of
// the answer to scan.
func (t *Tx) QueryRows(given []string, args []any, query string, scan func(*sql.Rows) error) error {
	head := "WITH given (" + strings.Join(given, ", ") + ") AS (VALUES "
	return chunks(len(given), args, func(rows int, args []any) error {
		answer, err := t.Query(head+values(rows, len(given))+") "+query, args...)
		if err != nil {
			return err
		}
		defer answer.Close()
		for answer.Next() {
			if err := scan(answer); err != nil {
				return err
			}
		}
		return answer.Err()
	})
}

func chunks(columns int, args []any, do func(rows int, args []any) error) error {
	for _, size := range chunkSizes {
		for len(args) >= size*columns {
			if err := do(size, args[:size*columns]); err != nil {
				return fmt.Errorf("%d rows: %w", size, err)
			}
			args = args[size*columns:]
		}
	}
	return nil
}

// values writes the placeholders of rows, built from numbers alone.
func values(rows, columns int) string {
	row := "(" + strings.Repeat("?, ", columns-1) + "?)"
	return strings.Repeat(row+", ", rows-1) + row
}
