package kubernetes

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// within tells whether something with these labels is selected.
func within(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// What selects the servers' pods does so, and leaves the migration's alone.
func TestSelectors(t *testing.T) {
	m := read(t)
	servers, migration := m.deployment.Spec.Template.Labels, m.migrate.Spec.Template.Labels
	of := map[string]map[string]string{
		"the deployment": m.deployment.Spec.Selector.MatchLabels,
		"the service":    m.service.Spec.Selector,
		"the budget":     m.budget.Spec.Selector.MatchLabels,
	}
	for _, constraint := range m.deployment.Spec.Template.Spec.TopologySpreadConstraints {
		of["the spread over "+constraint.TopologyKey] = constraint.LabelSelector.MatchLabels
	}
	for what, selector := range of {
		if !within(selector, servers) || within(selector, migration) {
			t.Errorf("%s selects %v, want the servers and nothing else", what, selector)
		}
	}
	if policy := m.network.Spec.PodSelector.MatchLabels; !within(policy, servers) || !within(policy, migration) {
		t.Errorf("the network policy selects %v, want servers and migration", policy)
	}
}

// Ports are named as the container names them.
func TestPorts(t *testing.T) {
	m := read(t)
	c := container(t, m.deployment.Spec.Template.Spec)
	named := map[string]bool{}
	for _, port := range c.Ports {
		named[port.Name] = true
	}
	wanted := []intstr.IntOrString{c.StartupProbe.HTTPGet.Port, c.ReadinessProbe.HTTPGet.Port, c.LivenessProbe.HTTPGet.Port}
	for _, port := range m.service.Spec.Ports {
		wanted = append(wanted, port.TargetPort)
	}
	for _, rule := range m.network.Spec.Ingress {
		for _, port := range rule.Ports {
			wanted = append(wanted, *port.Port)
		}
	}
	for _, port := range wanted {
		if !named[port.StrVal] {
			t.Errorf("there is no port %q", port.String())
		}
	}
	if got := m.deployment.Spec.Template.Annotations["prometheus.io/port"]; got != "8080" || c.Ports[0].ContainerPort != 8080 {
		t.Errorf("Prometheus asks at %s, the container listens on %d, want 8080", got, c.Ports[0].ContainerPort)
	}
}

func container(t *testing.T, pod core.PodSpec) core.Container {
	t.Helper()
	if len(pod.Containers) != 1 {
		t.Fatalf("got %d containers, want 1", len(pod.Containers))
	}
	return pod.Containers[0]
}

// A server leaves the service before it stops, has time to drain, and is asked
// what the probes are for.
func TestLifeOfAPod(t *testing.T) {
	m := read(t)
	pod := m.deployment.Spec.Template.Spec
	c := container(t, pod)
	window, err := time.ParseDuration(m.config.Data["BREAKWATER_DRAIN_WINDOW"])
	if err != nil {
		t.Fatal(err)
	}
	const ending = 15 * time.Second
	pause := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	if least := pause + window + ending; grace < least || pause == 0 {
		t.Errorf("a pod is killed after %v with a pause of %v, want at least %v", grace, pause, least)
	}
	for probe, want := range map[*core.Probe]string{c.StartupProbe: "/healthz", c.LivenessProbe: "/healthz", c.ReadinessProbe: "/readyz"} {
		if probe.HTTPGet.Path != want {
			t.Errorf("a probe asks %s, want %s", probe.HTTPGet.Path, want)
		}
	}
	rolling := m.deployment.Spec.Strategy.RollingUpdate
	if rolling.MaxUnavailable.IntValue() != 0 || rolling.MaxSurge.IntValue() != 1 || m.deployment.Spec.Replicas != nil {
		t.Error("an update takes servers away before others are there, or undoes what the autoscaler did")
	}
}

// Nothing runs with rights that it does not need.
func TestRights(t *testing.T) {
	m := read(t)
	for what, pod := range map[string]core.PodSpec{"server": m.deployment.Spec.Template.Spec, "migration": m.migrate.Spec.Template.Spec} {
		c := container(t, pod)
		s := c.SecurityContext
		if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks ||
			pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
			*s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
			t.Errorf("the %s has rights that it does not need", what)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || !c.Resources.Limits.Cpu().IsZero() {
			t.Errorf("the %s has no limit of memory or no share of CPU, or it is throttled", what)
		}
	}
}

// The containers are started as the program can be, with what is there.
func TestProgram(t *testing.T) {
	m := read(t)
	program, err := harness.Build(t.TempDir(), "breakwater")
	if err != nil {
		t.Fatal(err)
	}
	for what, pod := range map[string]core.PodSpec{"server": m.deployment.Spec.Template.Spec, "migration": m.migrate.Spec.Template.Spec} {
		c := container(t, pod)
		help, err := program.Command(append(c.Args, "--help")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		has := map[string]bool{}
		for _, variable := range variables(m, c) {
			has[variable] = true
			if strings.HasPrefix(variable, "BREAKWATER_") && !regexp.MustCompile(`\(\$`+variable+`\)`).Match(help) {
				t.Errorf("the %s has %s, which %v does not know", what, variable, c.Args)
			}
		}
		for _, variable := range []string{"BREAKWATER_REDIS", "BREAKWATER_MYSQL", "BREAKWATER_ELASTICSEARCH"} {
			if !has[variable] {
				t.Errorf("the %s lacks %s", what, variable)
			}
		}
	}
	server, migration := container(t, m.deployment.Spec.Template.Spec), container(t, m.migrate.Spec.Template.Spec)
	if server.Image != migration.Image {
		t.Errorf("the servers are %s, the migration is %s, want one version", server.Image, migration.Image)
	}
	wantOwnNameAndKey(t, m.deployment.Spec.Template.Spec, server)
}

// variables are the names of what a container has in its environment.
func variables(m *manifests, c core.Container) (names []string) {
	for _, from := range c.EnvFrom {
		switch {
		case from.ConfigMapRef != nil && from.ConfigMapRef.Name == m.config.Name:
			names = slices.AppendSeq(names, maps.Keys(m.config.Data))
		case from.SecretRef != nil && from.SecretRef.Name == m.secret.Name:
			names = slices.AppendSeq(names, maps.Keys(m.secret.StringData))
		default:
			names = append(names, "BREAKWATER_OF_NOTHING_THAT_IS_THERE")
		}
	}
	for _, one := range c.Env {
		names = append(names, one.Name)
	}
	return names
}

// wantOwnNameAndKey wants a server named after its pod, with the key where it is
// mounted, and its collector of garbage at work before the kernel is.
func wantOwnNameAndKey(t *testing.T, pod core.PodSpec, c core.Container) {
	t.Helper()
	env := map[string]core.EnvVar{}
	for _, one := range c.Env {
		env[one.Name] = one
	}
	if id := env["BREAKWATER_SERVER_ID"].ValueFrom; id == nil || id.FieldRef.FieldPath != "metadata.name" {
		t.Errorf("the server's id is from %v, want the pod's name", id)
	}
	mount := c.VolumeMounts[0]
	if key := env["BREAKWATER_TOKEN_KEY"].Value; !strings.HasPrefix(key, mount.MountPath+"/") || pod.Volumes[0].Name != mount.Name || pod.Volumes[0].Secret == nil ||
		*pod.Volumes[0].Secret.DefaultMode != 0o440 {
		t.Errorf("the key is at %s, the secret is mounted at %s", key, mount.MountPath)
	}
	soft := resource.MustParse(strings.TrimSuffix(env["GOMEMLIMIT"].Value, "B"))
	if hard := c.Resources.Limits.Memory(); soft.Cmp(*hard) >= 0 {
		t.Errorf("GOMEMLIMIT is %s, want less than the limit, %s", soft.String(), hard.String())
	}
}

// The autoscaler moves the servers, by what they show.
func TestAutoscaler(t *testing.T) {
	m := read(t)
	spec := m.autoscaler.Spec
	if to := spec.ScaleTargetRef; to.Kind != "Deployment" || to.Name != m.deployment.Name || to.APIVersion != m.deployment.APIVersion {
		t.Errorf("the autoscaler moves %v, want the deployment", to)
	}
	if *spec.MinReplicas < 2 || m.budget.Spec.MaxUnavailable.IntValue() >= int(*spec.MinReplicas) {
		t.Error("all servers may be away at a time")
	}
	if up, down := spec.Behavior.ScaleUp, spec.Behavior.ScaleDown; *down.StabilizationWindowSeconds <= *up.StabilizationWindowSeconds || down.Policies[0].Value != 1 {
		t.Error("servers are taken away as fast as they are added")
	}
	program, err := harness.Build(t.TempDir(), "breakwater")
	if err != nil {
		t.Fatal(err)
	}
	shown := scrape(t, program.Start(t).URL)
	if name := spec.Metrics[0].Pods.Metric.Name; !regexp.MustCompile(`(?m)^` + name + ` `).MatchString(shown) {
		t.Errorf("servers do not show %s", name)
	}
}

// scrape is what a server shows.
func scrape(t *testing.T, base string) string {
	t.Helper()
	response, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
