// Package deploy holds those files of the deployment that the program itself
// needs: drills run nginx with the configuration that is deployed, and nothing else.
package deploy

import (
	"embed"
	"io/fs"
)

//go:embed nginx/*.conf
var files embed.FS

// Nginx is the folder of nginx's configuration.
func Nginx() (fs.FS, error) { return fs.Sub(files, "nginx") }
