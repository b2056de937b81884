package drill

import (
	"context"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/loadtest/stand/clock"
)

// Drill is one way to hurt a cluster, and what is expected of it.
type Drill struct {
	Name string
	// About says in a line what happens and what users may notice of it.
	About string

	size size
	// ours are the services that it kills: they must be this process's own.
	ours []stand.Dependency
	// excuses are those of its faults.
	excuses []string
	// clocked gives the first server a wall clock that can be set.
	clocked bool
	// slow gives some people connections that are slow to read.
	slow bool
	run  func(context.Context, *run) error
}

// All are the drills in the order in which they are run.
func All() []Drill {
	lossy := []string{oracle.LogLost}
	return []Drill{
		{Name: "server-kill", About: "a server dies by SIGKILL: its people are back elsewhere within seconds, and miss nothing", size: ordinary, run: serverKill},
		{Name: "server-pause", About: "a server is frozen past its lease and goes on: fenced, with its people, who lose nothing", size: ordinary, run: serverPause},
		{Name: "rolling-restart", About: "all servers are drained and replaced in turn: nobody is seen to leave, no send fails", size: ordinary, run: rollingRestart},
		{Name: "clock-jump", About: "the wall clock of one server jumps by ten minutes, ahead and back: nobody notices", size: ordinary, clocked: true, run: clockJump},
		{Name: "redis-restart", About: "Redis dies by SIGKILL and comes back: sends are refused only meanwhile, connections stay", size: ordinary, ours: []stand.Dependency{stand.Redis}, run: redisRestart},
		{Name: "redis-blackhole", About: "Redis does what it is asked for, and its answers vanish: sends are refused within a second, and stored once", size: ordinary, run: redisBlackhole},
		{Name: "redis-emptied", About: "Redis loses everything: rooms begin a new epoch, and everybody is told", size: ordinary, excuses: lossy, run: redisEmptied},
		{Name: "redis-slow", About: "Redis answers 200 ms late: chat is slower by that", size: ordinary, run: redisSlow},
		{Name: "partition", About: "one server cannot reach Redis, the others can: only its own people's sends wait", size: ordinary, run: partition},
		{Name: "mysql-restart", About: "MySQL dies by SIGKILL and comes back: who is there notices nothing", size: ordinary, ours: []stand.Dependency{stand.MySQL}, run: mysqlAway(serviceDies)},
		{Name: "mysql-stall", About: "MySQL answers nothing, for longer than a lease: no connection is cut, no server taken for dead", size: ordinary, run: mysqlAway(stalled)},
		{Name: "elasticsearch-restart", About: "Elasticsearch dies by SIGKILL and comes back: chat goes on, searches say 503 meanwhile", size: ordinary, ours: []stand.Dependency{stand.Elasticsearch}, run: elasticsearchAway(serviceDies)},
		{Name: "elasticsearch-stall", About: "Elasticsearch answers nothing: chat goes on, searches say 503 meanwhile", size: ordinary, run: elasticsearchAway(stalled)},
		{Name: "bulk-failures", About: "one message in ten fails in Elasticsearch, stored or not: all are there once in the end", size: ordinary, run: bulkFailures},
		{Name: "nginx-reload", About: "nginx reads its configuration again, three times: no connection is cut", size: ordinary, run: nginxReload},
		{Name: "slow-clients", About: "some clients read slowly or not at all: they alone are told gaps or closed", size: busy, slow: true, run: slowClients},
		{Name: "scale", About: "servers are added and removed as the HPA would: the new ones get people, and nobody is seen to leave", size: ordinary, run: scale},
		{Name: "storm-warm", About: "one of three servers dies under 1,500 people: all are back within seconds", size: storm, run: stormWarm},
		{Name: "storm-cold", About: "all servers die under 1,500 people: all come back to servers that know no room", size: storm, run: stormCold},
		{Name: "chaos", About: "several faults at a time, drawn from the seed, for as long as --for says", size: ordinary, clocked: clock.Supported, run: chaos},
	}
}

// stalled is silent for all servers.
func stalled(d stand.Dependency) fault { return silent(d) }

// storm is a crowd that says little: it is the coming back that counts.
var storm = size{people: 1500, rooms: 30, talkers: 60, every: 2 * time.Second, text: 60}
