// Package deploy holds what the project gives to operators to its word: nginx's
// configuration in front of servers that fail, the image in Docker, and the
// files for compose, Prometheus and Grafana against the program itself.
package deploy
