package services

import (
	"context"
	"errors"
	"sync"
)

// All is one of each service.
type All struct{ Redis, MySQL, Elasticsearch *Service }

// StartAll starts one of each at the same time. The caller closes them.
func StartAll(ctx context.Context) (*All, error) {
	all := &All{}
	var errs [3]error
	var starting sync.WaitGroup
	starting.Go(func() { all.Redis, errs[0] = StartRedis(ctx) })
	starting.Go(func() { all.MySQL, errs[1] = StartMySQL(ctx) })
	starting.Go(func() { all.Elasticsearch, errs[2] = StartElasticsearch(ctx) })
	starting.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, all.Close())
	}
	return all, nil
}

// Close removes all that were started.
func (a *All) Close() error {
	var errs []error
	for _, s := range []*Service{a.Redis, a.MySQL, a.Elasticsearch} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
