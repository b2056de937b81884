package ledger

// Row is something that a database keeps as one row.
type Row interface {
	// Columns are its values in the order of the fields, as a driver takes them.
	Columns() []any
}

// Args are the columns of rows, one row after the other.
func Args[R Row](rows []R) []any {
	var args []any
	for _, r := range rows {
		args = append(args, r.Columns()...)
	}
	return args
}

// Columns implements Row.
func (p Presence) Columns() []any { return []any{int64(p.Room), int64(p.User)} }

// Columns implements Row.
func (m Membership) Columns() []any {
	return append(m.Presence.Columns(), int64(m.Incarnation), int64(m.Connection))
}

// Columns implements Row.
func (o Occupancy) Columns() []any {
	return append(o.Presence.Columns(), o.Connections, int64(o.JoinedAt))
}

// Columns implements Row.
func (c Count) Columns() []any { return []any{int64(c.Room), c.Users, c.Version} }

// Columns implements Row.
func (d Departure) Columns() []any { return append(d.Presence.Columns(), d.Users, d.Version) }
