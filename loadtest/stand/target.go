package stand

// Target is what is spoken to: equal servers, one or more.
type Target struct {
	// URLs are the servers' bases, without a slash at the end.
	URLs []string
}

// Base is the URL for the nth client: those that follow each other are on
// different servers where there are several.
func (t Target) Base(n int) string { return t.URLs[n%len(t.URLs)] }
