// Package browser holds the tests of the chat page, and of the page that a load test writes, in a
// real Chromium against the real binary.
//
// They need an executable named chromium in PATH and fail without it. Every person in a test has a
// browser process and a profile of his own.
package browser
