package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
)

// EmptyRedis takes everything from a Redis.
func EmptyRedis(ctx context.Context, url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	if err := client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("emptying Redis: %w", err)
	}
	return nil
}

// ForgetMessages takes from a Redis what it has of messages: the newest of each room, and
// pages of older ones. Where the rooms are it still knows.
func ForgetMessages(ctx context.Context, url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	for _, pattern := range []string{"*tail:*", "*page*"} {
		keys := client.Scan(ctx, 0, pattern, 1000).Iterator()
		for keys.Next(ctx) {
			if err := client.Del(ctx, keys.Val()).Err(); err != nil {
				return fmt.Errorf("forgetting %s: %w", keys.Val(), err)
			}
		}
		if err := keys.Err(); err != nil {
			return fmt.Errorf("looking for what to forget: %w", err)
		}
	}
	return nil
}

// Searches is how many searches an Elasticsearch has made, by its own account.
func Searches(ctx context.Context, url string) (int64, error) {
	var stats struct {
		All struct {
			Total struct {
				Search struct {
					Queries int64 `json:"query_total"`
				} `json:"search"`
			} `json:"total"`
		} `json:"_all"`
	}
	err := ask(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/_stats/search", nil, &stats)
	return stats.All.Total.Search.Queries, err
}

// Membership is a row of MySQL: a connection of a user in a room.
type Membership struct {
	Room       bw.RoomID
	User       bw.Name
	Connection int64
	// Server is the name of the server, "" if it has no row; Live tells whether its
	// lease holds.
	Server string
	Live   bool
}

// Memberships reads the rows of some rooms.
func Memberships(ctx context.Context, dsn string, rooms []bw.RoomID) ([]Membership, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	db, err := OpenMySQL(config)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `
		SELECT m.room, u.name, m.connection, COALESCE(s.id, ''), COALESCE(s.state = 'live', FALSE)
		FROM memberships m JOIN users u ON u.id = m.user LEFT JOIN servers s ON s.incarnation = m.incarnation
		WHERE m.room IN (`+list(rooms)+`) ORDER BY m.room, u.name, m.connection`)
	if err != nil {
		return nil, fmt.Errorf("reading memberships: %w", err)
	}
	defer rows.Close()
	var all []Membership
	for rows.Next() {
		var m Membership
		if err := rows.Scan(&m.Room, &m.User, &m.Connection, &m.Server, &m.Live); err != nil {
			return nil, fmt.Errorf("reading memberships: %w", err)
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

func list(rooms []bw.RoomID) string {
	var text []string
	for _, r := range rooms {
		text = append(text, fmt.Sprint(int64(r)))
	}
	return strings.Join(text, ",")
}

// pageOfDocuments is how many documents Elasticsearch gives at once.
const pageOfDocuments = 5000

// Documents reads all messages of a room that Elasticsearch has, by seq.
func Documents(ctx context.Context, url string, room bw.RoomID) ([]bw.Message, error) {
	url = strings.TrimSuffix(url, "/")
	if err := ask(ctx, http.MethodPost, url+"/messages/_refresh", nil, nil); err != nil {
		return nil, fmt.Errorf("reading documents: %w", err)
	}
	var all []bw.Message
	var after []any
	for {
		query := map[string]any{
			"size": pageOfDocuments, "sort": []string{"seq", "epoch"},
			"query": map[string]any{"term": map[string]any{"chatroom": room}},
		}
		if after != nil {
			query["search_after"] = after
		}
		var found page
		if err := ask(ctx, http.MethodPost, url+"/messages/_search", query, &found); err != nil {
			return nil, fmt.Errorf("reading documents: %w", err)
		}
		for _, h := range found.Hits.Hits {
			d := h.Source
			all = append(all, bw.Message{Room: d.Chatroom, Epoch: d.Epoch, Seq: d.Seq, ID: d.ID, User: d.User, Text: d.Message, Timestamp: d.Timestamp})
			after = h.Sort
		}
		if len(found.Hits.Hits) < pageOfDocuments {
			return all, nil
		}
	}
}

// page is what a search of Elasticsearch answers.
type page struct {
	Hits struct {
		Hits []struct {
			Source struct {
				Chatroom  bw.RoomID
				User      bw.Name
				Message   string
				Timestamp bw.Millis
				Epoch     bw.Epoch
				Seq       bw.Seq
				ID        bw.MessageID
			} `json:"_source"`
			Sort []any
		}
	}
}

// ask asks Elasticsearch; query and into may be nil.
func ask(ctx context.Context, method, url string, query, into any) error {
	var body []byte
	if query != nil {
		var err error
		if body, err = json.Marshal(query); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true // no connection stays behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return fmt.Errorf("it answered %s: %s", response.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
