// Package site puts the surfaces of the gateway together: which of them answers a
// path, and in which order they are asked.
package site
