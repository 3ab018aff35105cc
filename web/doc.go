// Package web holds what every HTTP surface of the gateway shares: who is
// calling, how an error reads, and how bytes are answered.
//
// The surfaces themselves are its sub-packages, one for each protocol. They are
// plain net/http handlers over package gateway; package caddymodule mounts them.
package web
