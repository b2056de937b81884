// Package service knows Redis, MySQL and Elasticsearch as things to start: their
// images, how they have to be started to keep what they are given, and how to tell
// that they do their work.
package service

import "context"

// Kind is what is particular to one of the services.
type Kind struct {
	// Name is what people call it, Image what Docker does. Images are not pulled
	// or built by who starts one: make images does that.
	Name, Image string
	// Port is where it listens inside its container.
	Port     int
	Command  []string
	Settings map[string]string // the container's environment
	// URL makes the address for clients out of HOST:PORT.
	URL func(address string) string
	// Via takes a URL apart: the HOST:PORT that it leads to, and the same URL leading
	// to another one.
	Via func(url, address string) (target, via string, err error)
	// Answers returns nil once the service at that URL does its work.
	Answers func(ctx context.Context, url string) error
}

// Redis has every write on disk before it answers. Its URL is redis://HOST:PORT/0.
func Redis() Kind {
	return Kind{
		Name:    "Redis",
		Image:   "redis:8",
		Port:    6379,
		Command: []string{"--appendonly", "yes", "--appendfsync", "always", "--save", ""},
		URL:     func(address string) string { return "redis://" + address + "/0" },
		Via:     viaHTTP,
		Answers: redisAnswers,
	}
}

// MySQL has an empty database breakwater. Its URL is a DSN of the Go driver, for a
// user who may do everything.
func MySQL() Kind {
	return Kind{
		Name:     "MySQL",
		Image:    "mysql:9",
		Port:     3306,
		Command:  []string{"--skip-log-bin"},
		Settings: map[string]string{"MYSQL_ROOT_PASSWORD": "secret", "MYSQL_DATABASE": "breakwater"},
		URL:      func(address string) string { return "root:secret@tcp(" + address + ")/breakwater" },
		Via:      viaDSN,
		Answers:  mysqlAnswers,
	}
}

// Elasticsearch is a single node without security. Its URL is http://HOST:PORT.
func Elasticsearch() Kind {
	return Kind{
		Name:  "Elasticsearch",
		Image: "elasticsearch:8.19.21",
		Port:  9200,
		Settings: map[string]string{
			"discovery.type":         "single-node",
			"xpack.security.enabled": "false",
			// A full disk of the machine is not what is tested.
			"cluster.routing.allocation.disk.threshold_enabled": "false",
			"ES_JAVA_OPTS": "-Xms512m -Xmx512m",
		},
		URL:     func(address string) string { return "http://" + address },
		Via:     viaHTTP,
		Answers: elasticsearchAnswers,
	}
}
