// Command fairway is Caddy with Fairway's modules built in.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/fairwayhq/fairway"
)

func main() {
	caddycmd.Main()
}
