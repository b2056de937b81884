package scenario

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/crowd"
	"github.com/breakwater-chat/breakwater/wire"
)

// Credential is a user with a token for him.
type Credential struct {
	Name  bw.Name
	Token string
}

// MostSignedUp is how many users are made by the API, which limits that, if there are
// neither tokens nor a key to sign them; members share them then.
const MostSignedUp = 200

// prepare makes users and rooms, places the members, and divides them.
func (r *run) prepare(ctx context.Context) ([]Part, error) {
	p, env := &r.plan, &r.env
	if len(env.Workers) == 0 { // workers count for themselves
		if err := enough(env.Descriptors, p.Members); err != nil {
			return nil, err
		}
	}
	target := newAPI(p.Targets[0], p.Trust)
	defer target.close()
	users, err := people(ctx, target, p, env)
	if err != nil {
		return nil, err
	}
	rooms := []bw.RoomID{p.Room}
	if p.Room == 0 {
		if rooms, err = makeRooms(ctx, target, p, users[0].Token); err != nil {
			return nil, err
		}
	}
	members := make([]crowd.Member, 0, p.Members)
	for i, size := range spread(p.Members, len(rooms), p.Zipf) {
		for range size {
			n := len(members)
			user := users[n%len(users)]
			members = append(members, crowd.Member{Number: n, Name: user.Name, Token: user.Token, Room: rooms[i]})
		}
	}
	return p.divide(members, rooms, max(1, len(env.Workers))), nil
}

// people are the users: those that are known, else signed for, else signed up.
func people(ctx context.Context, target *api, p *Plan, env *Env) ([]Credential, error) {
	if len(env.Known) > 0 {
		return env.Known[:min(len(env.Known), p.Users)], nil
	}
	obtain := env.Sign
	if obtain == nil {
		env.Tell(fmt.Sprintf("signing %d users up", p.Users))
		obtain = func(name bw.Name) (string, error) {
			var made wire.UserToken
			err := target.insist(ctx, "POST", "/v1/chatrooms/users", "", map[string]string{"name": string(name)}, &made)
			return made.Token, err
		}
	}
	users := make([]Credential, p.Users)
	for i := range users {
		name := bw.Name("load-" + p.Run + "-" + strconv.Itoa(i))
		token, err := obtain(name)
		if err != nil {
			return nil, fmt.Errorf("getting a token for %s: %w", name, err)
		}
		users[i] = Credential{name, token}
	}
	return users, nil
}

func makeRooms(ctx context.Context, target *api, p *Plan, token string) ([]bw.RoomID, error) {
	rooms := make([]bw.RoomID, p.Rooms)
	for i := range rooms {
		var made wire.CreatedRoom
		name := wire.NewRoom{Name: fmt.Sprintf("load %s %d", p.Run, i)}
		if err := target.insist(ctx, "POST", "/v1/chatrooms", token, name, &made); err != nil {
			return nil, fmt.Errorf("making a room: %w", err)
		}
		if made.ID <= 0 {
			return nil, errors.New("making a room: the target has given no id")
		}
		rooms[i] = made.ID
	}
	return rooms, nil
}
