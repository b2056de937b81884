package stand

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Directives that name addresses, files, users or limits of the machine that a
// configuration is deployed to; everything else is tested as it stands.
var (
	ofTheMachine = regexp.MustCompile(`(?m)^\s*(user|daemon|pid|error_log|worker_rlimit_nofile|(client_body|proxy|fastcgi|uwsgi|scgi)_temp_path)\s[^;]*;`)
	accessLog    = regexp.MustCompile(`(?m)^(\s*access_log\s+)/[^\s;]+`)
	listen       = regexp.MustCompile(`(?m)^(\s*listen)\s+[^\s;]+([^;]*;)`)
	// In an upstream block; a server block has a brace.
	upstreamServer = regexp.MustCompile(`(?m)^(\s*server)\s+[^\s;{]+([^;{]*;)`)
	httpBlock      = regexp.MustCompile(`(?m)^http\s*\{`)
)

// configure copies the configuration into nginx's folder, with addresses and
// paths of this run.
func (n *Nginx) configure(upstreams []string) error {
	files, err := fs.Glob(n.source, "*.conf")
	if err != nil {
		return err
	}
	var listens, servers int
	for _, file := range files {
		text, err := fs.ReadFile(n.source, file)
		if err != nil {
			return fmt.Errorf("reading nginx's configuration: %w", err)
		}
		adapted := n.adapt(string(text), upstreams, &listens, &servers)
		if err := os.WriteFile(filepath.Join(n.folder, file), []byte(adapted), 0o600); err != nil {
			return fmt.Errorf("writing nginx's configuration: %w", err)
		}
	}
	if listens == 0 || servers == 0 {
		return fmt.Errorf("nginx's configuration has %d listen lines and %d servers of an upstream, want at least one each", listens, servers)
	}
	return nil
}

// adapt changes one file, and counts what it has found. Of several addresses to
// listen on or to pass requests to the first is the pattern for ours.
func (n *Nginx) adapt(text string, upstreams []string, listens, servers *int) string {
	text = ofTheMachine.ReplaceAllString(text, "")
	text = accessLog.ReplaceAllString(text, "${1}"+filepath.Join(n.folder, "access.log"))
	text = onlyFirst(text, listen, listens, n.address)
	text = onlyFirst(text, upstreamServer, servers, upstreams...)
	if block := httpBlock.FindString(text); block != "" {
		text = strings.Replace(text, block, block+n.tempPaths(), 1)
		text = fmt.Sprintf("pid %s;\nerror_log %s notice;\n", filepath.Join(n.folder, "nginx.pid"), n.logFile()) + text
		if os.Geteuid() == 0 { // or workers would be another user, who may not enter the folder
			text = "user root;\n" + text
		}
	}
	return text
}

func (n *Nginx) tempPaths() string {
	var text strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&text, "\n\t%s_temp_path %s;", kind, filepath.Join(n.folder, kind))
	}
	return text.String()
}

// onlyFirst repeats the first match with each of the addresses and takes the
// other ones out.
func onlyFirst(text string, pattern *regexp.Regexp, found *int, addresses ...string) string {
	return pattern.ReplaceAllStringFunc(text, func(match string) string {
		if *found++; *found > 1 {
			return ""
		}
		var lines strings.Builder
		for _, address := range addresses {
			lines.WriteString(pattern.ReplaceAllString(match, "${1} "+address+"${2}"))
		}
		return lines.String()
	})
}
