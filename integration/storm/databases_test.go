package storm

import (
	"database/sql"
	"strconv"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// queries is how many searches Elasticsearch has made, by its own account.
func queries(t *testing.T) int64 {
	t.Helper()
	n, err := service.Searches(t.Context(), shared.services.Elasticsearch.URL)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// documents is how many messages Elasticsearch holds of these rooms.
func documents(t *testing.T, rooms []*room) (n int) {
	t.Helper()
	var ids []int64
	for _, r := range rooms {
		ids = append(ids, r.id)
	}
	es := shared.services.Elasticsearch.URL
	var count struct{ Count int }
	if _, err := stand.Call(t.Context(), "POST", es+"/messages/_refresh", "", nil, &count); err != nil {
		t.Fatal(err)
	}
	query := map[string]any{"query": map[string]any{"terms": map[string]any{"chatroom": ids}}}
	if _, err := stand.Call(t.Context(), "POST", es+"/messages/_count", "", query, &count); err != nil {
		t.Fatal(err)
	}
	return count.Count
}

// statements is how many statements MySQL was given, by its own account.
func statements(t *testing.T) (n int64) {
	t.Helper()
	db, err := sql.Open("mysql", shared.services.MySQL.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name, value string
	if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &value); err != nil {
		t.Fatal(err)
	}
	n, err = strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
