// Package oracle judges drills: it reads what clients saw and what the databases hold,
// and says which of Breakwater's promises are broken, and where. It knows nothing of
// servers; it imports the standard library only.
//
// A drill collects a History of Events, saves it with Write, and asks Judge for a
// Verdict. The same verdict comes of the saved file: Read, then Judge.
//
// # What is judged
//
// Each promise is a Rule, judged by a function of its own. In brackets: the events that
// it is read from.
//
//  1. record: the history does not contradict itself, begins with its Run and closes
//     with its End. If it does not, nothing else that is said of it can be trusted.
//  2. order: positions ascend on a connection, in a playback and in a page, each once.
//     Together with 9 it is one order for everybody. [Received, Joined, Fetched]
//  3. hole: the next message is seq+1, or a Gap told of the hole; an epoch begins with a
//     Gap or a Joined; a recovery brings all from Since to its position, and Since is
//     a place where the client was. [Received, Joined, Gap]
//  4. not_joined: a connection is told of rooms that it is in. [Received, Gap, Left,
//     Came, Went]
//  5. playback: a first playback has the newest Bounds.Playback messages; a page has
//     all that it covers. [Joined, Fetched, against what is in the log]
//  6. lost: what is in the log reaches who is in the room: whoever is there at the end,
//     or leaves by its own will (Left, or Closed with 1000), has had all that was there
//     for longer than Bounds.Grace. Who was cut off is judged when it comes back, by 3.
//  7. unfetched: what a client was told that it misses, by a Gap or by a Joined that did
//     not recover, it has got in the end. [Fetched; Complete of Fetches]
//  8. two_positions: a message (room, user, id) has one place.
//  9. two_messages: a place (room, epoch, seq) has one message, the same for everybody.
//  10. origin: a message was sent before it was got, with this text by this user.
//  11. refused: what was refused with a code that promises so is neither delivered nor
//     indexed. [Refused]. Not so unavailable, overloaded, internal and unknown codes.
//  12. ack: an ack answers a send, names the place where everybody gets the message, the
//     same place each time, and says duplicate but the first time. [Acked, Refused]
//  13. unanswered: a send is answered while its connection lasts. [Sent; not for a POST]
//  14. list: a user list has each user who is connected once, and nobody else. It may be
//     off by whose connections changed less than the allowed time before. [List]
//  15. presence_twice: nobody is told come twice without going between, nor the other way
//     round. [Came, Went; Complete of Presence, as 16 and 17]
//  16. presence_false: who is told gone was away, and longer than Bounds.ReturnGrace if
//     his server died; who is told come has come.
//  17. presence_missed: a coming or going that lasts is told to each member within the
//     allowed time. What is undone sooner need not be, as frames are coalesced.
//  18. document: Elasticsearch has one document for each ack, as it was sent, at the
//     acked place; nothing twice; and of what was not acked only what may be stored.
//     [Document; Complete of Documents]
//  19. membership: MySQL has one row for each open connection in a room, on its server,
//     and no other. [Membership; Complete of Memberships]
//
// A rule whose events the history does not have is not judged, and the verdict says so:
// no rule passes for want of facts. A Complete says that facts of a kind are all there,
// so that one that is missing is missing in the database.
//
// What is in the log is known from acks; where a send got none, from somebody having got
// its message.
//
// # What the contract allows
//
// A send without an answer, or with unavailable, may be stored or not. An id may be
// stored a second time if it is sent again in another epoch, or later than
// Bounds.IDWindow. After a Fault that excuses LogLost, messages of an epoch that has
// ended may be gone. During one that excuses Unannounced, and where a Gap was told or a
// presence frame was full, comings and goings may go untold. All that a Fault or a Died
// disturbs has Bounds.LossGrace after its end; connections of the Server that a Fault
// names may be taken for lost until then. Which of it a drill promises less of, it has
// to say by a Fault: the oracle excuses nothing by itself.
//
// # What is not judged
//
// How long a delivery takes while the member stays. Whether a resume that did not recover
// could have. Timestamps, typing, and the counts of users. Rooms are taken to be new: what
// was said in one before the run comes from nowhere.
package oracle
