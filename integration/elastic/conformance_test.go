package elastic_test

import (
	"context"
	"errors"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history/historytest"
)

func TestHistory(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Subject {
		h := open(t, migrated(t))
		return historytest.Subject{History: h, Commit: func(batch []bw.Message) error {
			ctx := context.Background()
			return errors.Join(append(h.Put(ctx, batch), h.Refresh(ctx))...)
		}}
	})
}
