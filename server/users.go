package server

import (
	"time"

	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/auth"
	"github.com/breakwater-chat/breakwater/wire"
)

// signUp makes a user.
func (s *Server) signUp(r *request) error {
	if err := s.meterAddress(r); err != nil {
		return err
	}
	var in wire.SignUp
	if err := wire.DecodeBody(r.PostBody(), &in); err != nil {
		return err
	}
	name, err := wire.ParseName(in.Name)
	if err != nil {
		return err
	}
	var hash []byte
	if in.Password != nil {
		if err := auth.CheckPassword(*in.Password); err != nil {
			return err
		}
		if hash, err = s.deps.Hasher.Hash(r.ctx, *in.Password); err != nil {
			return err
		}
	}
	user, err := s.deps.Store.CreateUser(r.ctx, name, hash)
	if err != nil {
		return err
	}
	return s.answerToken(r, fasthttp.StatusCreated, user)
}

// logIn gives a token for a name and its password. A wrong password and a name
// that nobody has look and last the same.
func (s *Server) logIn(r *request) error {
	if err := s.meterAddress(r); err != nil {
		return err
	}
	var in wire.Login
	if err := wire.DecodeBody(r.PostBody(), &in); err != nil {
		return err
	}
	wrong := bw.Errorf(bw.BadCredentials, "the name or the password is wrong")
	name, err := wire.ParseName(in.Name)
	if err != nil {
		return wrong
	}
	if err := s.mayGuess(name); err != nil {
		return err
	}
	found, err := s.deps.Store.FindCredentials(r.ctx, name)
	if err != nil && bw.KindOf(err) != bw.BadCredentials {
		return err
	}
	ok, err := s.deps.Hasher.Check(r.ctx, found.PasswordHash, in.Password)
	if err != nil {
		return err
	}
	// Guesses that were made side by side do not see each other before.
	if err := s.mayGuess(name); err != nil {
		return err
	}
	if !ok {
		s.deps.Logins.Failed(name)
		return wrong
	}
	s.deps.Logins.Succeeded(name)
	return s.answerToken(r, fasthttp.StatusOK, found.User)
}

// mayGuess tells whether there were too many wrong passwords for a name.
func (s *Server) mayGuess(name bw.Name) error {
	wait := s.deps.Logins.Wait(name)
	if wait == 0 {
		return nil
	}
	err := bw.Errorf(bw.RateLimited, "too many wrong passwords for this name; wait before the next try")
	err.RetryAfter = wait
	return err
}

// refreshToken gives a fresh token for the user of a valid one.
func (s *Server) refreshToken(r *request) error {
	user, _, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if body := r.PostBody(); len(body) > 0 {
		if err := wire.DecodeBody(body, &struct{}{}); err != nil {
			return err
		}
	}
	return s.answerToken(r, fasthttp.StatusOK, user)
}

func (s *Server) answerToken(r *request, status int, user bw.User) error {
	token, expires, err := s.deps.Key.Sign(user.Name, time.Now(), s.cfg.TokenTTL)
	if err != nil {
		return err
	}
	return r.answer(status, wire.UserToken{ID: user.ID, Name: user.Name, Token: token, ExpiresAt: bw.MillisOf(expires)})
}

// meterAddress takes one sign-up or login from the client address's allowance.
func (s *Server) meterAddress(r *request) error {
	wait, ok := s.deps.SignUps.Allow(meteredAs(s.clientAddress(r)))
	if !ok {
		err := bw.Errorf(bw.RateLimited, "too many sign-ups and logins from this address")
		err.RetryAfter = wait
		return err
	}
	return nil
}

// authenticate returns the user of the request's token and when it expires. A
// valid token for a name that has no user yet makes the user.
func (s *Server) authenticate(r *request) (bw.User, time.Time, error) {
	token := bearerToken(r.RequestCtx)
	if token == "" {
		return bw.User{}, time.Time{}, bw.Errorf(bw.Unauthorized, "this needs a bearer token")
	}
	claims, err := s.deps.Verifier.Verify(token)
	if err != nil {
		return bw.User{}, time.Time{}, err
	}
	user, err := s.deps.Directory.EnsureUser(r.ctx, claims.Name)
	return user, claims.Expires, err
}
