package contract

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSigningUp(t *testing.T) {
	before := time.Now().UnixMilli()
	p := newPerson(t, "Ada")
	if p.ID < 1 || p.Token == "" || p.ExpiresAt <= before {
		t.Errorf("got id %d, token %q, expires_at %d; want a number, a token and a time after %d", p.ID, p.Token, p.ExpiresAt, before)
	}
	p.post("/v1/chatrooms", map[string]string{"name": unique("room")}).ok(http.StatusCreated, nil)
}

// names are what users and rooms may be called, and what not.
var names = []struct {
	what, name string
	// stored is the name after NFC, "" if it is refused.
	stored string
}{
	{"letters", "x", "x"},
	{"any script", "Ирина 山田 عمر", "Ирина 山田 عمر"},
	{"emoji of several code points", "👩‍👩‍👧 family", "👩‍👩‍👧 family"},
	{"inner spaces", "a  b", "a  b"},
	{"quotes and markup", `"<b>'&`, `"<b>'&`},
	{"64 characters of 4 bytes", strings.Repeat("😀", 64), strings.Repeat("😀", 64)},
	{"decomposed becomes composed", "Cafe\u0301", "Caf\u00e9"},
	{"65 that compose to 64", "e\u0301" + strings.Repeat("x", 63), "\u00e9" + strings.Repeat("x", 63)},
	{"empty", "", ""},
	{"65 characters", strings.Repeat("x", 65), ""},
	{"leading space", " x", ""},
	{"trailing space", "x ", ""},
	{"leading no-break space", "\u00a0x", ""},
	{"control character", "a\tb", ""},
	{"NUL", "a\x00b", ""},
	{"C1 control", "a\u0085b", ""},
	{"newline at the end", "x\n", ""},
}

// distinct makes a name of the table unique without changing what it is about.
func distinct(name string) string {
	if n := len([]rune(name)); n == 0 || n > 56 || strings.TrimSpace(name) != name {
		return name
	}
	return name + strings.ReplaceAll(unique(""), " ", "-")
}

func TestNames(t *testing.T) {
	owner := newPerson(t, "owner")
	for _, kind := range []struct{ name, path, token string }{
		{"users", "/v1/chatrooms/users", ""},
		{"rooms", "/v1/chatrooms", owner.Token},
	} {
		for _, row := range names {
			t.Run(kind.name+"/"+row.what, func(t *testing.T) {
				name := distinct(row.name)
				suffix := strings.TrimPrefix(name, row.name)
				a := request{method: "POST", path: kind.path, token: kind.token, body: map[string]string{"name": name}}.do(t)
				if row.stored == "" {
					a.refused(http.StatusBadRequest, "invalid_name")
					return
				}
				var got struct{ Name string }
				if a.ok(http.StatusCreated, &got); got.Name != row.stored+suffix {
					t.Errorf("got name %q, want %q", got.Name, row.stored+suffix)
				}
			})
		}
	}
}

func TestNamesAreUniqueByteForByteAfterNFC(t *testing.T) {
	owner := newPerson(t, "owner")
	for _, kind := range []struct{ name, path string }{{"users", "/v1/chatrooms/users"}, {"rooms", "/v1/chatrooms"}} {
		t.Run(kind.name, func(t *testing.T) {
			create := func(name string) answer {
				return request{method: "POST", path: kind.path, token: owner.Token, body: map[string]string{"name": name}}.do(t)
			}
			name := unique("Caf\u00e9")
			create(name).ok(http.StatusCreated, nil)
			create(name).refused(http.StatusConflict, "name_taken")
			create(strings.Replace(name, "\u00e9", "e\u0301", 1)).refused(http.StatusConflict, "name_taken")
			create(strings.ToUpper(name)).ok(http.StatusCreated, nil)
			create(strings.Replace(name, "\u00e9", "e", 1)).ok(http.StatusCreated, nil)
		})
	}
}

func TestSigningUpOnce(t *testing.T) {
	name := unique("wanted")
	const rivals = 16
	statuses := make(chan answer, rivals)
	for range rivals {
		go func() {
			statuses <- request{method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": name}}.do(t)
		}()
	}
	made := 0
	for range rivals {
		if a := <-statuses; a.status == http.StatusCreated {
			made++
		} else {
			a.refused(http.StatusConflict, "name_taken")
		}
	}
	if made != 1 {
		t.Errorf("got the name %d times, want once", made)
	}
}

func TestPasswords(t *testing.T) {
	for _, row := range []struct {
		name, password string
		status         int
	}{
		{"seven characters", "1234567", http.StatusBadRequest},
		{"empty", "", http.StatusBadRequest},
		{"eight characters", "12345678", http.StatusCreated},
		{"eight of four bytes", strings.Repeat("😀", 8), http.StatusCreated},
		{"1,024 bytes", strings.Repeat("x", 1024), http.StatusCreated},
		{"1,025 bytes", strings.Repeat("x", 1025), http.StatusBadRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			body := map[string]string{"name": unique("locked"), "password": row.password}
			a := request{method: "POST", path: "/v1/chatrooms/users", body: body}.do(t)
			if row.status != http.StatusCreated {
				a.refused(row.status, "weak_password")
				return
			}
			a.ok(row.status, nil)
			request{method: "POST", path: "/v1/chatrooms/users/login", body: body}.do(t).ok(http.StatusOK, nil)
		})
	}
}

func TestLoggingIn(t *testing.T) {
	name, password := unique("Cafe\u0301"), "correct horse"
	var made, in person
	request{method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": name, "password": password}}.do(t).ok(http.StatusCreated, &made)
	open := newPerson(t, "without a password")
	try := func(name, password string) answer {
		return request{method: "POST", path: "/v1/chatrooms/users/login", body: map[string]string{"name": name, "password": password}}.do(t)
	}
	if try(name, password).ok(http.StatusOK, &in); in.ID != made.ID || in.Name != made.Name || in.Token == "" {
		t.Errorf("got user %d %q, want %d %q with a token", in.ID, in.Name, made.ID, made.Name)
	}
	var bodies []string
	for _, row := range []struct{ what, name, password string }{
		{"a wrong password", name, "wrong horse"},
		{"the password with a space", name, password + " "},
		{"an empty password", name, ""},
		{"an unknown name", unique("nobody"), password},
		{"a name that cannot be", " x", password},
		{"a user without a password", open.Name, ""},
		{"another case of the name", strings.ToUpper(name), password},
	} {
		a := try(row.name, row.password).refused(http.StatusUnauthorized, "bad_credentials")
		if bodies = append(bodies, string(a.body)); bodies[0] != string(a.body) {
			t.Errorf("%s: got %s, want the same answer as for a wrong password, %s", row.what, a.body, bodies[0])
		}
	}
}

// TestWrongPasswordsTakeAsLongForAnUnknownName compares medians: who has no
// account is found out by time otherwise. An answer that skips the hash comes
// ten times sooner and more.
func TestWrongPasswordsTakeAsLongForAnUnknownName(t *testing.T) {
	server := suite.Binary.Start(t, "--signup-rate", "0")
	name := unique("known")
	request{base: server.URL, method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": name, "password": "a password"}}.do(t).ok(http.StatusCreated, nil)
	took := func(name string) time.Duration {
		began := time.Now()
		request{base: server.URL, method: "POST", path: "/v1/chatrooms/users/login", body: map[string]string{"name": name, "password": "not this"}}.do(t).refused(http.StatusUnauthorized, "bad_credentials")
		return time.Since(began)
	}
	var known, unknown []time.Duration
	for range 7 {
		known, unknown = append(known, took(name)), append(unknown, took(unique("nobody")))
	}
	if k, u := median(known), median(unknown); u < k/3 || k < u/3 {
		t.Errorf("got %v for a known name and %v for an unknown one, want the same within a factor of 3", k, u)
	}
}

func TestWrongPasswordsMakeTheNextOneWait(t *testing.T) {
	server := suite.Binary.Start(t, "--signup-rate", "0")
	name, calm := unique("besieged"), unique("calm")
	try := func(name, password string) answer {
		return request{base: server.URL, method: "POST", path: "/v1/chatrooms/users/login", body: map[string]string{"name": name, "password": password}}.do(t)
	}
	for _, name := range []string{name, calm} {
		request{base: server.URL, method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": name, "password": "a password"}}.do(t).ok(http.StatusCreated, nil)
	}
	for range 10 {
		try(name, "not this").refused(http.StatusUnauthorized, "bad_credentials")
	}
	try(name, "a password").refused(http.StatusTooManyRequests, "rate_limited")
	try(calm, "not this").refused(http.StatusUnauthorized, "bad_credentials")
}

func TestSignUpsAreMeteredByAddress(t *testing.T) {
	server := suite.Binary.Start(t, "--signup-rate", "0.01", "--signup-burst", "3", "--trusted-proxy", "127.0.0.1/32")
	from := func(address string) answer {
		return request{
			base: server.URL, method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": unique("crowd")},
			header: http.Header{"X-Forwarded-For": {address}},
		}.do(t)
	}
	for range 3 {
		from("192.0.2.1").ok(http.StatusCreated, nil)
	}
	from("192.0.2.1").refused(http.StatusTooManyRequests, "rate_limited")
	from("192.0.2.9, 192.0.2.1").refused(http.StatusTooManyRequests, "rate_limited")
	from("192.0.2.2").ok(http.StatusCreated, nil)
	login := request{
		base: server.URL, method: "POST", path: "/v1/chatrooms/users/login", body: map[string]string{"name": "x", "password": "y"},
		header: http.Header{"X-Forwarded-For": {"192.0.2.1"}},
	}
	login.do(t).refused(http.StatusTooManyRequests, "rate_limited")
}

func TestRefreshingAToken(t *testing.T) {
	p := newPerson(t, "Ada")
	var fresh person
	p.post("/v1/chatrooms/users/token", nil).ok(http.StatusOK, &fresh)
	if fresh.Token == p.Token {
		t.Error("got the same token, want a fresh one")
	}
	p.post("/v1/chatrooms/users/token", map[string]int{"x": 1}).refused(http.StatusBadRequest, "unknown_field")
	if fresh.ID != p.ID || fresh.Name != p.Name || fresh.ExpiresAt < p.ExpiresAt {
		t.Errorf("got %d %q until %d, want %d %q until %d or later", fresh.ID, fresh.Name, fresh.ExpiresAt, p.ID, p.Name, p.ExpiresAt)
	}
	request{method: "POST", path: "/v1/chatrooms", token: fresh.Token, body: map[string]string{"name": unique("room")}}.do(t).ok(http.StatusCreated, nil)
}
