package loadtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/internal/loopback"
)

// front starts nginx with that certificate before the shared server, and gives its URL.
func front(t *testing.T, cert, key string) string {
	t.Helper()
	address, err := loopback.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	conf := filepath.Join(folder, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections 1000; }
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server {
		listen %s ssl;
		ssl_certificate %s; ssl_certificate_key %s;
		location / {
			proxy_pass %s;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection upgrade;
			proxy_set_header Host $http_host;
		}
	}
}`, address, cert, key, ground.server.URL)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command("nginx", "-p", folder, "-e", "error.log", "-c", conf)
	var said strings.Builder
	nginx.Stdout, nginx.Stderr = &said, &said
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		_ = nginx.Wait() // it may have ended by itself
		if t.Failed() {
			t.Log("nginx said", said.String())
		}
	})
	until(t, "nginx listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "https://" + address
}

// TestTargetsOverTLS has everything go by way of nginx as it stands before a cluster: signing
// up, joins, talk, searches and pages, a storm, and workers, who are told whom to trust.
func TestTargetsOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := harness.Certificate(t)
	target := front(t, cert, key)

	o := start(t, target, "mixed", "--members", "60", "--rooms", "4", "--rate", "30", "--moves", "20", "--searches", "8", "--pages", "8",
		"--duration", "2s", "--payload", "4096", "--token-ttl", "1h", "--ca", cert, "--metrics", target+"/metrics").wait(t)
	o.ended(t, passed)
	o.want(t, kept())
	for name, least := range map[string]int64{"search": 8, "page": 8, "received": 100} {
		if got := o.report.Totals.Counts[name]; got < least {
			t.Errorf("got %d of %s, want %d at least", got, name, least)
		}
	}
	if got := o.figure(t, "server_memory"); got <= 0 {
		t.Errorf("got the server's memory %g, want what its metrics say", got)
	}

	one, two := startWorker(t), startWorker(t)
	o = start(t, target, "storm", "--members", "60", "--rate", "20", "--steady", "500ms", "--ca", cert,
		"--workers", one.address+","+two.address).wait(t)
	o.ended(t, passed)
	o.want(t, kept())
	o.want(t, map[string]float64{"back": 60})

	o = start(t, target, "fanout", "--members", "5", "--duration", "1s", "--insecure").wait(t)
	o.ended(t, passed)
	o.want(t, kept())

	for name, args := range map[string][]string{
		"making a room": nil,
		// Whoever needs no request is turned away by the first connection.
		"is refused for good: untrusted": {"--room", "1"},
	} {
		o = start(t, target, append([]string{"fanout", "--members", "5"}, args...)...).wait(t)
		o.ended(t, broken)
		if line := o.complaint(t); !strings.Contains(line, name) || !strings.Contains(line, "certificate signed by unknown authority") {
			t.Errorf("got %q, want it to say that the certificate is not trusted", line)
		}
	}
}
