// Command fairway is Caddy with Fairway's modules built in.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/fairwayhq/fairway"
)

const description = `Fairway is a package gateway: private conda channels, a private Python index, a
cached pass-through to the public one, and API keys with roles in front of all of it.

It is Caddy with Fairway's modules built in, so all of Caddy's commands are here too:

  $ fairway run --config Caddyfile        # serve
  $ fairway key create --name admin --role admin
  $ fairway channel create main
  $ fairway import ./channel --channel main

Commands other than Caddy's own ask the running gateway through its admin endpoint,
by default at 127.0.0.1:2019; the environment variable FAIRWAY_ADMIN names another.
`

func main() {
	caddy.CustomBinaryName = "fairway"
	caddy.CustomLongDescription = description
	if len(os.Args) == 2 && (os.Args[1] == "version" || os.Args[1] == "--version" || os.Args[1] == "-v") {
		// Caddy would tell its own version alone.
		with, _ := caddy.Version()
		fmt.Printf("fairway %s (Caddy %s)\n", fairway.Version, strings.TrimSpace(with))
		return
	}
	caddycmd.Main()
}
