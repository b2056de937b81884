package redisbroker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	bw "github.com/breakwater-chat/breakwater"
)

// partitions is fixed: a room's keys would be elsewhere with another number.
const partitions = 16

func partitionOf(room bw.RoomID) int { return int(room % partitions) }

// keys names what the log consists of. All keys of a partition have one hash
// tag, so that a script may touch them together.
type keys struct {
	tags  [partitions]string
	live  string // the kind of rooms' channels
	probe string
}

// newKeys names what is in a database of Redis. Channels are one space for all
// databases, so theirs have its number.
func newKeys(prefix string, database int) keys {
	k := keys{live: "live"}
	if database != 0 {
		k.live += "@" + strconv.Itoa(database)
	}
	for p := range k.tags {
		k.tags[p] = "{" + prefix + ":" + strconv.Itoa(p) + "}:"
	}
	// Nobody else listens there.
	k.probe = prefix + ":probe:" + randomName()
	return k
}

func (k *keys) ofRoom(kind string, room bw.RoomID) string {
	return k.tags[partitionOf(room)] + kind + ":" + strconv.FormatInt(int64(room), 10)
}

func (k *keys) meta(room bw.RoomID) string    { return k.ofRoom("meta", room) }
func (k *keys) tail(room bw.RoomID) string    { return k.ofRoom("tail", room) }
func (k *keys) channel(room bw.RoomID) string { return k.ofRoom(k.live, room) }

// log is the stream of what the feed has not settled.
func (k *keys) log(partition int) string { return k.tags[partition] + "log" }

// parked is the stream of what can never be indexed.
func (k *keys) parked(partition int) string { return k.tags[partition] + "parked" }

// sent remembers one send. Users choose the names and ids, so what stands for
// them is a hash that nobody can make collide.
func (k *keys) sent(room bw.RoomID, user bw.Name, id bw.MessageID) string {
	of := binary.AppendUvarint(nil, uint64(len(user)))
	of = append(append(of, user...), id...)
	return k.ofRoom("sent", room) + ":" + fingerprint(of)
}

// roomOf is the room of a channel.
func roomOf(channel string) (bw.RoomID, bool) {
	id, err := strconv.ParseInt(channel[strings.LastIndexByte(channel, ':')+1:], 10, 64)
	return bw.RoomID(id), err == nil
}

func fingerprint(b []byte) string {
	const enough = 16
	sum := sha256.Sum256(b)
	return string(sum[:enough])
}

func randomName() string { return strings.ToLower(rand.Text()) }
