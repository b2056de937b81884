package app

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/scenario"
	"github.com/breakwater-chat/breakwater/server/auth"
)

// people says where users come from.
func (f *loadtestFlags) people(p *scenario.Plan, env *scenario.Env) (err error) {
	if p.Users == 0 {
		p.Users = p.Members
	}
	switch {
	case f.Tokens != "":
		if env.Known, err = readTokens(f.Tokens); err != nil {
			return &usageError{"--tokens", err}
		}
		p.Users = min(p.Users, len(env.Known))
	case f.TokenKey != "":
		key, err := auth.LoadKey(f.TokenKey)
		if err != nil {
			return &usageError{"--token-key", err}
		}
		env.Sign = func(name bw.Name) (string, error) {
			token, _, err := key.Sign(name, time.Now(), f.TokenTTL)
			return token, err
		}
	case f.Users == 0:
		p.Users = min(p.Users, scenario.MostSignedUp)
	}
	return nil
}

func readTokens(path string) (known []scenario.Credential, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		name, token, ok := strings.Cut(lines.Text(), "\t")
		if !ok || name == "" || strings.ContainsAny(token, " \t\r") || token == "" {
			return nil, fmt.Errorf("line %d is not NAME<TAB>TOKEN", n)
		}
		known = append(known, scenario.Credential{Name: bw.Name(name), Token: token})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	if len(known) == 0 {
		return nil, errors.New("there is no line in it")
	}
	return known, nil
}
