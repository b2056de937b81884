// Package services gives tests the real Redis, MySQL and Elasticsearch.
//
// Each Start function either takes the address of a running service from the
// environment or starts a container that belongs to this test process: on a
// port of 127.0.0.1 that stays the same for the container's life, with data that
// survives Kill and Start. Images are not pulled or built here: make images does
// that. What a test process that died has left behind is removed by the next one.
package services

import (
	"context"
	"time"
)

// patience bounds the start of a service; a loaded machine is slow.
const patience = 2 * time.Minute

// kind is what is particular to one of the services.
type kind struct {
	name     string
	image    string
	variable string // the environment variable that may give an address
	port     string // inside the container
	command  []string
	settings map[string]string // the container's environment
	// url makes the address for clients out of HOST:PORT.
	url func(address string) string
	// answers returns nil once the service at that URL does its work.
	answers func(ctx context.Context, url string) error
}

// StartRedis starts a Redis that has every write on disk before it answers:
// its URL is redis://HOST:PORT/0.
func StartRedis(ctx context.Context) (*Service, error) {
	return start(ctx, kind{
		name:     "Redis",
		image:    "redis:8",
		variable: "BREAKWATER_TEST_REDIS",
		port:     "6379/tcp",
		command:  []string{"--appendonly", "yes", "--appendfsync", "always", "--save", ""},
		url:      func(address string) string { return "redis://" + address + "/0" },
		answers:  redisAnswers,
	})
}

// StartMySQL starts a MySQL with an empty database breakwater. Its URL is a
// DSN of the Go driver, for a user who may do everything.
func StartMySQL(ctx context.Context) (*Service, error) {
	return start(ctx, kind{
		name:     "MySQL",
		image:    "mysql:9",
		variable: "BREAKWATER_TEST_MYSQL",
		port:     "3306/tcp",
		command:  []string{"--skip-log-bin"},
		settings: map[string]string{"MYSQL_ROOT_PASSWORD": "secret", "MYSQL_DATABASE": "breakwater"},
		url:      func(address string) string { return "root:secret@tcp(" + address + ")/breakwater" },
		answers:  mysqlAnswers,
	})
}

// StartElasticsearch starts a single node without security: its URL is
// http://HOST:PORT.
func StartElasticsearch(ctx context.Context) (*Service, error) {
	return start(ctx, kind{
		name:     "Elasticsearch",
		image:    "elasticsearch:8.19.21",
		variable: "BREAKWATER_TEST_ELASTICSEARCH",
		port:     "9200/tcp",
		settings: map[string]string{
			"discovery.type":         "single-node",
			"xpack.security.enabled": "false",
			// A full disk of the machine is not what is tested.
			"cluster.routing.allocation.disk.threshold_enabled": "false",
			"ES_JAVA_OPTS": "-Xms512m -Xmx512m",
		},
		url:     func(address string) string { return "http://" + address },
		answers: elasticsearchAnswers,
	})
}
