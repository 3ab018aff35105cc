// Package fairway is a package gateway inside Caddy: private conda channels, a
// private Python index, a cached pass-through to the public one, and API keys
// with roles in front of everything.
//
// Importing it registers Fairway's Caddy modules, so that
//
//	xcaddy build --with github.com/fairwayhq/fairway
//
// makes a Caddy which has them. The modules themselves are in package
// caddymodule; ARCHITECTURE.md says where everything else is.
package fairway

import (
	_ "github.com/fairwayhq/fairway/caddymodule" // registers the Caddy modules
)

// Version is the version of this source tree.
const Version = "0.1.0"
