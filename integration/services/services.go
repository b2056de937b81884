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

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// patience bounds the start of a service; a loaded machine is slow.
const patience = 5 * time.Minute

// StartRedis starts a Redis as service.Redis is.
func StartRedis(ctx context.Context) (*Service, error) {
	return start(ctx, service.Redis(), "BREAKWATER_TEST_REDIS")
}

// StartMySQL starts a MySQL as service.MySQL is.
func StartMySQL(ctx context.Context) (*Service, error) {
	return start(ctx, service.MySQL(), "BREAKWATER_TEST_MYSQL")
}

// StartElasticsearch starts an Elasticsearch as service.Elasticsearch is.
func StartElasticsearch(ctx context.Context) (*Service, error) {
	return start(ctx, service.Elasticsearch(), "BREAKWATER_TEST_ELASTICSEARCH")
}
