package drill

import (
	"context"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// fault is something that is wrong for a time.
type fault struct {
	name string
	// on is what it hurts: two faults on the same do not go together.
	on string
	// server is whose connections may be taken for lost meanwhile, "" for nobody's;
	// dies tells that it is killed.
	server string
	dies   bool
	// restarts tells that its end starts a server, which needs all services.
	restarts bool
	// away tells that a service does not answer some server.
	away bool
	// excuses are the promises that do not hold meanwhile, by the oracle's names.
	excuses    []string
	begin, end func(context.Context, *ground) error
}

func nothing(context.Context, *ground) error { return nil }

// serverDies ends a server by SIGKILL; in the end it is started again.
func serverDies(i int) fault {
	return fault{
		name: named(i) + " is dead", on: named(i), server: named(i), dies: true, restarts: true,
		begin: func(_ context.Context, g *ground) error { return g.cluster.Kill(i) },
		end:   func(_ context.Context, g *ground) error { return g.cluster.Restart(i) },
	}
}

// serverStops freezes a server by SIGSTOP.
func serverStops(i int) fault {
	return fault{
		name: named(i) + " stands still", on: named(i), server: named(i),
		begin: func(_ context.Context, g *ground) error { return g.cluster.Servers[i].Pause() },
		end:   func(_ context.Context, g *ground) error { return g.cluster.Servers[i].Resume() },
	}
}

// silent has a service answer nothing, to all servers or to one.
func silent(d stand.Dependency, only ...int) fault {
	f := fault{
		name: d.String() + " answers nothing", on: d.String(), away: true,
		begin: func(_ context.Context, g *ground) error { return g.net.Swallow(d, only...) },
		end:   func(_ context.Context, g *ground) error { g.net.Heal(d); return nil },
	}
	for _, i := range only {
		f.name += " to " + named(i)
	}
	if d == stand.MySQL { // who comes and goes cannot be decided meanwhile
		f.excuses = []string{oracle.Unannounced}
		if len(only) == 1 { // the others can, and take it for dead
			f.server = named(only[0])
		}
	}
	return f
}

// mute has a service do what it is asked for without any server hearing of it.
func mute(d stand.Dependency) fault {
	f := silent(d)
	f.name = "the answers of " + d.String() + " vanish"
	f.begin = func(_ context.Context, g *ground) error { return g.net.Mute(d) }
	return f
}

// slow has a service answer late.
func slow(d stand.Dependency, by time.Duration) fault {
	return fault{
		name: d.String() + " answers " + by.String() + " late", on: d.String(),
		begin: func(_ context.Context, g *ground) error { return g.net.Slow(d, by) },
		end:   func(_ context.Context, g *ground) error { g.net.Heal(d); return nil },
	}
}

// serviceDies ends a service's process by SIGKILL; in the end it is started again.
func serviceDies(d stand.Dependency) fault {
	return fault{
		name: d.String() + " is dead", on: d.String(), away: true, excuses: silent(d).excuses,
		begin: func(ctx context.Context, g *ground) error { return g.base.Service(d).Kill(ctx) },
		end:   func(ctx context.Context, g *ground) error { return g.base.Service(d).Start(ctx) },
	}
}

// redisIsEmptied takes everything from Redis. What it had not passed on is lost, and told so.
func redisIsEmptied() fault {
	return fault{
		name: "Redis is emptied", on: stand.Redis.String(), excuses: []string{oracle.LogLost, oracle.Unannounced},
		begin: func(ctx context.Context, g *ground) error { return service.EmptyRedis(ctx, g.base.Redis.URL) },
		end:   nothing,
	}
}

// itemsFail has every nth message that goes to Elasticsearch fail there.
func itemsFail(nth int) fault {
	return fault{
		name: "bulk items fail", on: stand.Elasticsearch.String(),
		begin: func(_ context.Context, g *ground) error { g.net.FailItems(nth); return nil },
		end:   func(_ context.Context, g *ground) error { g.net.FailItems(0); return nil },
	}
}

// nginxReloads has nginx replace its workers.
func nginxReloads() fault {
	return fault{
		name: "nginx reloads", on: "nginx",
		begin: func(_ context.Context, g *ground) error { return g.cluster.Reload() },
		end:   nothing,
	}
}
