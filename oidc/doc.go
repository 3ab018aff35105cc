// Package oidc turns the ID token of a CI job (OpenID Connect) into the name of the
// trusted publisher that it proves to be, so that CI needs no stored key.
//
// It verifies and matches; minting the key is the gateway's.
package oidc
