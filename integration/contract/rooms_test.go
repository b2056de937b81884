package contract

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRooms(t *testing.T) {
	p := newPerson(t, "Ada")
	before := time.Now().UnixMilli()
	made := p.newRoom()
	if made.CreatedAt < before-1000 || made.CreatedAt > time.Now().UnixMilli()+1000 {
		t.Errorf("got created_at %d, want the time in milliseconds, about %d", made.CreatedAt, before)
	}
	var shown room
	request{method: "GET", path: made.path("")}.do(t).ok(http.StatusOK, &shown)
	if shown != made {
		t.Errorf("got %+v, want what was made: %+v", shown, made)
	}
	request{method: "POST", path: "/v1/chatrooms", body: map[string]string{"name": unique("room")}}.do(t).refused(http.StatusUnauthorized, "unauthorized")
	request{method: "GET", path: fmt.Sprintf("/v1/chatrooms/%d", made.ID+1_000_000)}.do(t).refused(http.StatusNotFound, "no_such_room")
}

func TestListingRooms(t *testing.T) {
	server := suite.Binary.Start(t)
	p := newPersonAt(t, server.URL, "Ada")
	var empty struct {
		Chatrooms []room
		Next      *int64
	}
	if p.get("/v1/chatrooms").ok(http.StatusOK, &empty); len(empty.Chatrooms) != 0 || empty.Next != nil {
		t.Errorf("got %+v of a new server, want no rooms and no next", empty)
	}
	const total = 120
	var made []room
	for range total {
		made = append(made, p.newRoom())
	}
	p.join(made[3])
	made[3].Users = 1
	for _, row := range []struct {
		query string
		pages []int
	}{
		{"", []int{50, 50, 20}},
		{"limit=1", nil},
		{"limit=60", []int{60, 60}},
		{"limit=500", []int{total}},
	} {
		t.Run("by "+row.query, func(t *testing.T) {
			var got []room
			var pages []int
			for query := row.query; ; {
				var list struct {
					Chatrooms []room
					Next      *int64
				}
				request{base: server.URL, method: "GET", path: "/v1/chatrooms?" + query}.do(t).ok(http.StatusOK, &list)
				got, pages = append(got, list.Chatrooms...), append(pages, len(list.Chatrooms))
				if list.Next == nil {
					break
				}
				query = fmt.Sprintf("%s&after=%d", row.query, *list.Next)
			}
			if fmt.Sprint(got) != fmt.Sprint(made) {
				t.Errorf("got rooms %v, want %v", got, made)
			}
			if row.pages != nil && fmt.Sprint(pages) != fmt.Sprint(row.pages) {
				t.Errorf("got pages of %v, want %v", pages, row.pages)
			}
		})
	}
}

func TestBadListQueries(t *testing.T) {
	p := newPerson(t, "Ada")
	r := p.newRoom()
	for _, path := range []string{"/v1/chatrooms?", r.path("/users?"), r.path("/messages?"), r.path("/messages/search?q=x&")} {
		for _, query := range []string{"limit=0", "limit=501", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=99999999999999999999"} {
			t.Run(strings.TrimSuffix(path, "?")+" "+query, func(t *testing.T) {
				request{method: "GET", path: path + query, token: p.Token}.do(t).refused(http.StatusBadRequest, "bad_query")
			})
		}
	}
	for _, path := range []string{
		"/v1/chatrooms?after=x", "/v1/chatrooms?after=-1", r.path("/users?after=x"), r.path("/messages?before=x"), r.path("/messages?after=-1"),
		r.path("/messages?before=0"), r.path("/messages?before=5&after=1"),
	} {
		t.Run(path, func(t *testing.T) { p.T = t; p.get(path).refused(http.StatusBadRequest, "bad_query") })
	}
}

type userList struct {
	Count int
	Users []struct {
		ID       int64
		Name     string
		JoinedAt int64 `json:"joined_at"`
	}
	Next *int64
}

// users waits until the room's list of users has so many, and returns it.
func (p *person) users(r room, want int) userList {
	p.Helper()
	var list userList
	for end := time.Now().Add(patience); ; {
		list = userList{}
		p.get(r.path("/users?limit=500")).ok(http.StatusOK, &list)
		if list.Count == want && len(list.Users) == want {
			return list
		}
		if time.Now().After(end) {
			p.Fatalf("got %+v in room %d for %v, want %d users", list, r.ID, patience, want)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestUsersOfARoom(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r := ada.newRoom()
	request{method: "GET", path: fmt.Sprintf("/v1/chatrooms/%d/users", r.ID+1_000_000)}.do(t).refused(http.StatusNotFound, "no_such_room")
	ada.users(r, 0)

	before := time.Now().UnixMilli()
	first, second := ada.join(r), ada.join(r)
	s := bob.join(r)
	list := bob.users(r, 2)
	for i, p := range []*person{ada, bob} {
		got := list.Users[i]
		if got.ID != p.ID || got.Name != p.Name || got.JoinedAt < before-1000 || got.JoinedAt > time.Now().UnixMilli()+1000 {
			t.Errorf("got user %+v, want %d %q, joined at about %d", got, p.ID, p.Name, before)
		}
	}
	first.leave()
	bob.users(r, 2)
	second.leave()
	if left := bob.users(r, 1).Users[0].Name; left != bob.Name {
		t.Errorf("got %q in the room, want %q", left, bob.Name)
	}
	s.leave()
	bob.users(r, 0)
}

func TestPagingUsersOfARoom(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	const total = 12
	for range total {
		newPerson(t, "crowd").join(r)
	}
	whole := ada.users(r, total)
	var paged userList
	for after := int64(0); ; {
		var list userList
		request{method: "GET", path: r.path(fmt.Sprintf("/users?limit=5&after=%d", after))}.do(t).ok(http.StatusOK, &list)
		if list.Count != total {
			t.Errorf("got count %d on a page, want %d on each", list.Count, total)
		}
		paged.Users = append(paged.Users, list.Users...)
		if list.Next == nil {
			break
		}
		after = *list.Next
	}
	if fmt.Sprint(paged.Users) != fmt.Sprint(whole.Users) {
		t.Errorf("got %v in pages, want %v", paged.Users, whole.Users)
	}
}
