// Package blob keeps the bytes of package files on a local disk, each under its
// SHA-256, written once and never changed.
//
// A blob becomes visible in an order that a power cut at any moment cannot turn
// into a torn file or a lost one: temporary file on the same filesystem, fsync,
// rename that replaces nothing, fsync of the directory and of every directory made
// for it. Only then does [Staged.Commit] return, and only then may a catalog row
// name the blob. [Batch] keeps the same promise for many blobs at the price of two
// syncs of the filesystem.
//
// On disk, below the folder of a [Store]:
//
//	tmp/             files being written; emptied when the store opens
//	ab/cdef0123...   a blob: 2 and 62 lower-case hex digits of its SHA-256
//
// Anything else in the folder is left alone. Folders have mode 0700, files 0600.
package blob
