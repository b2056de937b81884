package server

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// live says that the process runs; nothing else fails it, or a dependency's
// fault would make the orchestrator kill servers that hold connections.
func (s *Server) live(r *request) error {
	return r.answer(fasthttp.StatusOK, wire.Health{Status: "ok"})
}

// ready says whether new connections should come here.
func (s *Server) ready(r *request) error {
	if err := s.deps.Hub.Ready(); err != nil {
		return err
	}
	if err := s.deps.Hub.Busy(); err != nil {
		return err
	}
	var down []string
	for _, d := range s.deps.Needed {
		if err := d.Healthy(r.ctx); err != nil {
			down = append(down, d.Name)
			s.deps.Log.Warn("a dependency is down", "dependency", d.Name, "error", err)
		}
	}
	if len(down) > 0 {
		return bw.Errorf(bw.Unavailable, "down: %s", strings.Join(down, ", "))
	}
	return r.answer(fasthttp.StatusOK, wire.Health{Status: "ready"})
}

func (s *Server) showMetrics(r *request) error {
	s.scrape(r.RequestCtx)
	return nil
}

func scrapeHandler(registry *prometheus.Registry) fasthttp.RequestHandler {
	return fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
}
