package mysqlstore

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder takes what the driver tells everybody who has no logger.
type recorder struct {
	mu   sync.Mutex
	said []string
}

// Print implements mysql.Logger.
func (r *recorder) Print(v ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprint(v...))
}

// The driver writes to standard error unless it is told not to.
func TestWhoIsToldOfTheDriversTroubles(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var hangingUp sync.WaitGroup
	hangingUp.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	})
	defer hangingUp.Wait()
	defer listener.Close()
	everybody := &recorder{}
	if err := mysql.SetLogger(everybody); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, test := range []struct {
		name   string
		logger *slog.Logger
		told   bool
	}{
		{"nobody", nil, false},
		{"the logger", slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			log.Reset()
			cfg := Config{DSN: "u:p@tcp(" + listener.Addr().String() + ")/db", Logger: test.logger}
			if _, err := Open(t.Context(), cfg); err == nil {
				t.Error("opened a store where there is no MySQL")
			}
			if told := log.Len() > 0; told != test.told || len(everybody.said) > 0 {
				t.Errorf("the logger got %q, standard error %q", log.String(), everybody.said)
			}
		})
	}
}
