// Package caddymodule makes Fairway out of Caddy: it is the only package that
// imports it, and holds configuration, life cycle and the command line, but no
// rule of the product.
//
// # Modules
//
//	fairway                                the app: shared state of one data folder
//	http.handlers.fairway                  every surface, in the right order
//	http.handlers.fairway_conda            conda channels and their uploads
//	http.handlers.fairway_pypi             the Python index and its pass-through
//	http.handlers.fairway_api              keys, policies, projects, engines, GraphQL, audit
//	http.handlers.fairway_dashboard        pages for people, health and readiness
//	http.handlers.fairway_auth             a permission in front of any other handler
//	http.authentication.providers.fairway  our keys for Caddy's own authentication handler
//	caddy.logging.encoders.fairway         log encoder that masks keys wherever they stand
//	admin.api.fairway                      what the command line talks to
//
// # Caddyfile
//
// Global option fairway (the app), directives fairway, fairway_conda,
// fairway_pypi, fairway_api, fairway_dashboard, fairway_auth, and the log format
// fairway. docs/caddyfile.md lists every option with its default.
//
// # State across reloads
//
// Caddy starts a new configuration before it stops the old one, so the state
// behind a data folder lives in a usage pool: both configurations hold the same
// [gateway.Gateway], and the last one to leave closes it.
package caddymodule
