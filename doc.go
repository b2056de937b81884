// Package breakwater holds the words of the domain: messages, rooms, users,
// names and the kinds of failure. It depends on the standard library only;
// every other package of the project speaks in its terms.
package breakwater
