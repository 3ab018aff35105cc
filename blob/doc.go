// Package blob keeps the bytes of package files on a local disk, each under its
// SHA-256, written once and never changed.
//
// A blob becomes visible in an order that a power cut at any moment cannot turn
// into a torn file or a lost one: temporary file on the same filesystem, fsync,
// rename that replaces nothing, fsync of the directory and of every directory made
// for it. Only then does [Staged.Commit] return, and only then may a catalog row
// name the blob.
package blob
