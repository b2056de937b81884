package deploy

import (
	"crypto/rand"
	"debug/elf"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// docker runs a command of Docker and gives what it prints.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("docker", args...)
	command.Env = append(command.Environ(), "DOCKER_BUILDKIT=0") // which every Docker has
	var complaint strings.Builder
	command.Stderr = &complaint
	said, err := command.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s%s", args[0], err, said, complaint.String())
	}
	return strings.TrimSpace(string(said))
}

// buildImage makes the image of a binary that is there already, and gives its
// name and the certificates that are in it.
func buildImage(t *testing.T) (image string, certificates []byte) {
	t.Helper()
	context := t.TempDir()
	for _, folder := range []string{"bin", "deploy"} {
		if err := os.Mkdir(filepath.Join(context, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	certificates = []byte("-----BEGIN CERTIFICATE-----\n" + rand.Text() + "\n-----END CERTIFICATE-----\n")
	if err := os.WriteFile(filepath.Join(context, "bin", "ca-certificates.crt"), certificates, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CGO_ENABLED", "0")
	if _, err := harness.Build(filepath.Join(context, "bin"), "breakwater", "-trimpath", "-ldflags", "-s -w"); err != nil {
		t.Fatal(err)
	}
	wantStatic(t, filepath.Join(context, "bin", "breakwater"))
	if err := os.CopyFS(filepath.Join(context, "deploy"), os.DirFS(files)); err != nil {
		t.Fatal(err)
	}
	ignore, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(context, ".dockerignore"), ignore, 0o600); err != nil {
		t.Fatal(err)
	}
	image = "breakwater-test:" + strings.ToLower(rand.Text())
	docker(t, "build", "-q", "-f", filepath.Join(context, "deploy", "Dockerfile"), "--target", "prebuilt", "-t", image, context)
	t.Cleanup(func() { docker(t, "rmi", "-f", image) })
	return image, certificates
}

func wantStatic(t *testing.T, path string) {
	t.Helper()
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static: it needs an interpreter")
		}
	}
}

// The image is small and runs a server that needs no rights: with its data in a
// volume, which the next container goes on with.
func TestImage(t *testing.T) {
	image, certificates := buildImage(t)
	var about []struct {
		Size   int64
		Config struct {
			User   string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", image)), &about); err != nil {
		t.Fatal(err)
	}
	const most = 40e6
	if about[0].Size > most {
		t.Errorf("the image has %d bytes, want at most %d", about[0].Size, int(most))
	}
	if got := about[0].Config.User; got != "65532:65532" {
		t.Errorf("user: got %q, want a number other than 0", got)
	}
	if about[0].Config.Labels["org.opencontainers.image.title"] == "" {
		t.Error("the image has no title")
	}

	volume := docker(t, "volume", "create")
	t.Cleanup(func() { docker(t, "volume", "rm", "-f", volume) })
	for life, wantStatus := range []int{http.StatusCreated, http.StatusConflict} {
		c := docker(t, "run", "-d", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
			"-v", volume+":/data", "-p", "127.0.0.1:0:8080", image)
		t.Cleanup(func() { docker(t, "rm", "-f", c) })
		base := "http://" + strings.Split(docker(t, "port", c, "8080/tcp"), "\n")[0]
		awaitReady(t, base, c)
		response, err := http.Post(base+"/v1/chatrooms/users", "application/json", strings.NewReader(`{"name":"ann"}`))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != wantStatus {
			t.Errorf("signing up in life %d: got status %d, want %d", life+1, response.StatusCode, wantStatus)
		}
		if got, err := exec.Command("docker", "cp", c+":/etc/ssl/certs/ca-certificates.crt", "-").Output(); err != nil || !strings.Contains(string(got), string(certificates)) {
			t.Errorf("the certificates are not where programs look for them: %v", err)
		}
		docker(t, "stop", "-t", fmt.Sprint(int(stand.Patience.Seconds())), c)
		if got := docker(t, "inspect", "-f", "{{.State.ExitCode}}", c); got != "0" {
			t.Errorf("exit status: got %s, want 0; log:\n%s", got, docker(t, "logs", c))
		}
	}
}

// awaitReady waits until the server in a container says that it is ready.
func awaitReady(t *testing.T, base, container string) {
	t.Helper()
	deadline := time.After(stand.Patience)
	for {
		response, err := http.Get(base + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-deadline:
			t.Fatalf("%s/readyz: got %v, want 200; log:\n%s", base, err, docker(t, "logs", container))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
