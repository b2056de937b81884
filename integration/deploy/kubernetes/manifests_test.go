package kubernetes

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// manifests are all that the project gives to a cluster.
type manifests struct {
	config     core.ConfigMap
	secret     core.Secret
	deployment apps.Deployment
	service    core.Service
	budget     policy.PodDisruptionBudget
	autoscaler autoscaling.HorizontalPodAutoscaler
	migrate    batch.Job
	network    networking.NetworkPolicy
}

// read decodes every manifest strictly: what the API does not know is a mistake.
func read(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{}
	into := map[string]any{
		"ConfigMap": &m.config, "Secret": &m.secret, "Deployment": &m.deployment, "Service": &m.service,
		"PodDisruptionBudget": &m.budget, "HorizontalPodAutoscaler": &m.autoscaler, "Job": &m.migrate, "NetworkPolicy": &m.network,
	}
	versions := map[string]string{
		"ConfigMap": "v1", "Secret": "v1", "Deployment": "apps/v1", "Service": "v1", "PodDisruptionBudget": "policy/v1",
		"HorizontalPodAutoscaler": "autoscaling/v2", "Job": "batch/v1", "NetworkPolicy": "networking.k8s.io/v1",
	}
	names, err := filepath.Glob("../../../deploy/kubernetes/*.yaml*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
			var is struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal(part, &is); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			object := into[is.Kind]
			if object == nil || is.APIVersion != versions[is.Kind] {
				t.Fatalf("%s: got %s %s, which is another one than those that are expected, or a second one", name, is.APIVersion, is.Kind)
			}
			delete(into, is.Kind)
			if err := yaml.UnmarshalStrict(part, object); err != nil {
				t.Errorf("%s: %s: %v", name, is.Kind, err)
			}
		}
	}
	for kind := range into {
		t.Errorf("there is no %s", kind)
	}
	return m
}
