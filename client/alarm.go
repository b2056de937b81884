package client

import "time"

// alarm is the one timer of a client: it rings at the earliest moment at which
// something is due, and is off when nothing is. Guarded by Client.mu.
type alarm struct {
	timer *time.Timer
	next  time.Time // zero when it is off
}

// at asks for a ring, at that time or before.
func (a *alarm) at(c *Client, when time.Time) {
	if !a.next.IsZero() && !when.Before(a.next) {
		return
	}
	a.next = when
	if a.timer == nil {
		a.timer = time.AfterFunc(time.Until(when), c.ring)
		return
	}
	a.timer.Reset(time.Until(when))
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// ring does what is due.
func (c *Client) ring() {
	c.mu.Lock()
	if c.state.Phase == Ended {
		c.mu.Unlock()
		return
	}
	c.wg.Add(1)
	defer c.wg.Done()
	c.alarm.next = time.Time{}
	c.expire() // before anything is sent again
	c.dial()
	for _, f := range c.order {
		f.due()
	}
	c.unlockAndDeliver()
}

// due tells whether a moment has come; if it is to come, the alarm is set for it.
func (c *Client) due(when time.Time) bool {
	if when.IsZero() {
		return false
	}
	if time.Now().Before(when) {
		c.alarm.at(c, when)
		return false
	}
	return true
}

func (c *Client) dial() {
	if c.due(c.link.dialAt) {
		c.connect()
	}
}

func (f *feed) due() {
	c := f.c
	if c.due(f.joinAt) {
		f.joinAt = time.Time{}
		for _, s := range c.link.open() {
			s.join(f)
		}
	}
	if c.due(f.fetchAt) {
		f.fetch()
	}
	if c.due(f.sendAt) {
		f.sendAt = time.Time{}
		f.flush()
	}
}

// expire gives up what takes too long: messages whose ids the server may have
// forgotten, and connections that owe an answer.
func (c *Client) expire() {
	now := time.Now()
	late := map[*session]bool{}
	owes := func(s *session, deadline *time.Time) {
		if s == nil || !c.due(*deadline) {
			return
		}
		if s.busy { // the application holds the reader up, not the server
			*deadline = now.Add(answerTimeout)
			c.alarm.at(c, *deadline)
			return
		}
		late[s] = true
	}
	for _, s := range c.sends {
		if s.expired(now) {
			c.settle(s, Ack{}, ErrUnconfirmed)
			s.feed.flush()
			continue
		}
		if !s.tried.IsZero() {
			c.alarm.at(c, s.tried.Add(trusted))
		}
		owes(s.by, &s.deadline)
	}
	for _, r := range c.asked {
		owes(r.by, &r.deadline)
	}
	for s := range late {
		s.abort()
	}
}
