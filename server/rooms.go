package server

import (
	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/wire"
)

func (s *Server) listRooms(r *request) error {
	limit, err := s.limit(r)
	if err != nil {
		return err
	}
	after, _, err := natural(r, "after")
	if err != nil {
		return err
	}
	rooms, err := s.deps.Store.ListRooms(r.ctx, bw.RoomID(after), limit+1)
	if err != nil {
		return err
	}
	var list wire.RoomList
	if len(rooms) > limit {
		rooms = rooms[:limit]
		list.Next = &rooms[limit-1].ID
	}
	for _, room := range rooms {
		list.Chatrooms = append(list.Chatrooms, roomOf(room))
	}
	return r.answer(fasthttp.StatusOK, list)
}

func (s *Server) createRoom(r *request) error {
	if _, _, err := s.authenticate(r); err != nil {
		return err
	}
	var in wire.NewRoom
	if err := wire.DecodeBody(r.PostBody(), &in); err != nil {
		return err
	}
	name, err := wire.ParseName(in.Name)
	if err != nil {
		return err
	}
	room, err := s.deps.Store.CreateRoom(r.ctx, name)
	if err != nil {
		return err
	}
	// A log that could not be told numbers the room's messages from higher up.
	if err := s.deps.Broker.Begin(r.ctx, room.ID); err != nil {
		s.deps.Log.Warn("beginning a room's log", "room", room.ID, "error", err)
	}
	return r.answer(fasthttp.StatusCreated, wire.CreatedRoom{ID: room.ID, Name: room.Name, CreatedAt: room.CreatedAt})
}

func (s *Server) showRoom(r *request) error {
	if _, err := s.findRoom(r); err != nil {
		return err
	}
	room, err := s.deps.Store.FindRoom(r.ctx, r.room)
	if err != nil {
		return err
	}
	return r.answer(fasthttp.StatusOK, roomOf(room))
}

func roomOf(r store.RoomCount) wire.Room {
	return wire.Room{ID: r.ID, Name: r.Name, CreatedAt: r.CreatedAt, Users: r.Users}
}

func (s *Server) listUsers(r *request) error {
	if _, err := s.findRoom(r); err != nil {
		return err
	}
	limit, err := s.limit(r)
	if err != nil {
		return err
	}
	after, _, err := natural(r, "after")
	if err != nil {
		return err
	}
	occupants, err := s.deps.Store.ListOccupants(r.ctx, r.room, bw.UserID(after), limit+1)
	if err != nil {
		return err
	}
	list := wire.UserList{Count: occupants.Count}
	users := occupants.Users
	if len(users) > limit {
		users = users[:limit]
		list.Next = &users[limit-1].ID
	}
	for _, u := range users {
		list.Users = append(list.Users, wire.Occupant{ID: u.ID, Name: u.Name, JoinedAt: u.JoinedAt})
	}
	return r.answer(fasthttp.StatusOK, list)
}
