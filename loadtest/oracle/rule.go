package oracle

// Rule names a promise. The names are stable: reports and scripts may hold them.
type Rule string

// The rules, numbered in the package's comment.
const (
	RuleRecord         Rule = "record"
	RuleOrder          Rule = "order"
	RuleHole           Rule = "hole"
	RuleNotJoined      Rule = "not_joined"
	RulePlayback       Rule = "playback"
	RuleLost           Rule = "lost"
	RuleUnfetched      Rule = "unfetched"
	RuleTwoPositions   Rule = "two_positions"
	RuleTwoMessages    Rule = "two_messages"
	RuleOrigin         Rule = "origin"
	RuleRefused        Rule = "refused"
	RuleAck            Rule = "ack"
	RuleUnanswered     Rule = "unanswered"
	RuleList           Rule = "list"
	RulePresenceTwice  Rule = "presence_twice"
	RulePresenceFalse  Rule = "presence_false"
	RulePresenceMissed Rule = "presence_missed"
	RuleDocument       Rule = "document"
	RuleMembership     Rule = "membership"
)

// check judges one rule.
type check struct {
	rule Rule
	// lacks says what the history would need; "" if it can be judged.
	lacks func(*facts) string
	// judge reports each break of the rule.
	judge func(*facts, func(finding))
}

// finding is a break of a rule.
type finding struct {
	rule  Rule
	event int // the first broken event
	// client and room, if set, are whose story it is; id, if client is not set.
	client string
	room   int64
	id     string
	text   string
}

// checks are all there are, in the order of the package's comment.
func checks() []check {
	return []check{
		{RuleRecord, needs("event"), found(RuleRecord)},
		{RuleOrder, needs("message that anybody got", Received, Joined, Fetched), found(RuleOrder)},
		{RuleHole, needs("message that a member got", Received, Joined), found(RuleHole)},
		{RuleNotJoined, needs("frame of a room", Received, Gap, Left, Came, Went), found(RuleNotJoined)},
		{RulePlayback, needs("playback or page", Joined, Fetched), checkPlayback},
		{RuleLost, needs("member of a room", Joined), checkLost},
		{RuleUnfetched, needsAll(Fetches), checkUnfetched},
		{RuleTwoPositions, needs("message that anybody got", Received, Joined, Fetched), checkTwoPositions},
		{RuleTwoMessages, needs("message that anybody got", Received, Joined, Fetched), checkTwoMessages},
		{RuleOrigin, needs("message that anybody got", Received, Joined, Fetched), checkOrigin},
		{RuleRefused, needs("refusal", Refused), checkRefused},
		{RuleAck, needs("answer to a send", Acked, Refused), checkAcks},
		{RuleUnanswered, needs("send", Sent), checkUnanswered},
		{RuleList, needs("user list", List), checkLists},
		{RulePresenceTwice, needsAll(Presence), checkPresenceTwice},
		{RulePresenceFalse, needsAll(Presence), checkPresenceFalse},
		{RulePresenceMissed, needsAll(Presence), checkPresenceMissed},
		{RuleDocument, needsAll(Documents), checkDocuments},
		{RuleMembership, needsAll(Memberships), checkMemberships},
	}
}

// needs asks for an event of one of the kinds, or for any.
func needs(what string, kinds ...Kind) func(*facts) string {
	return func(f *facts) string {
		for _, k := range kinds {
			if f.count[k] > 0 {
				return ""
			}
		}
		if len(kinds) == 0 && len(f.events) > 0 {
			return ""
		}
		return "the history has no " + what
	}
}

// needsAll asks for the history to be complete in something.
func needsAll(of string) func(*facts) string {
	return func(f *facts) string {
		if _, ok := f.complete[of]; ok {
			return ""
		}
		return "the history does not say that its " + of + " are complete"
	}
}

// found reports what was seen while the facts were collected.
func found(rule Rule) func(*facts, func(finding)) {
	return func(f *facts, report func(finding)) {
		for _, x := range f.findings {
			if x.rule == rule {
				report(x)
			}
		}
	}
}
